// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Held jobs: sealed bodies, tickets, the job index.
