// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The append-only, hash-chained journal of releases and logins.
