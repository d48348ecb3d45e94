// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Hardware parts simulated at register and wire level.
