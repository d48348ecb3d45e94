// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Opens real buses, lines and printer devices by the board file.
