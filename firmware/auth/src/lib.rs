// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Users and cards of this box, and who a presented card is.
