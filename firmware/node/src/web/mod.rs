// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box's own web page: people log in, see their jobs, change, delete and print them, see what
//! is left of their limits, and log in at the panel with a phone. HTML made here, in English and
//! Chinese, over TLS, without script for all but live updates.
//!
//! `pages` are functions from plain data to HTML, `view` is that data, `facts` makes it of the box;
//! `visit` is a browser's request, `sessions` who is logged in, `ground` by what, `answer` what goes back; `route`
//! brings them together, `forms` is what forms do. Nothing from outside becomes markup: `html` has
//! no way to.

mod answer;
#[cfg(test)]
mod contrast;
mod facts;
mod forms;
mod gate;
mod ground;
mod help;
mod html;
mod login;
mod page;
mod pages;
mod panel_code;
mod phone;
mod route;
mod sessions;
mod view;
mod visit;
mod words;

pub(crate) use route::{Web, handle};
pub(crate) use sessions::NoRandom;
