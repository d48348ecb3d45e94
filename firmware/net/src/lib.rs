// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Listeners, TLS, HTTP, announcements and network printer ports.
