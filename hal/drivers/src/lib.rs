// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Chip drivers, generic over embedded-hal 1.0.
