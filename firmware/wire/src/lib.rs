// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Protocol codecs without I/O: IPP, PJL, IEEE 1284.
