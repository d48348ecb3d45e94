// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pure rules: what may be released, where, and why.
