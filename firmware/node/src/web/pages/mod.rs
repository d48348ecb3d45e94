// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The pages, each a function from plain data to HTML. They know neither the box nor HTTP.

pub(super) mod account;
pub(super) mod fault;
pub(super) mod jobs;
pub(super) mod login;
pub(super) mod options;
pub(super) mod panel;
pub(super) mod phone;
pub(super) mod progress;
