// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The test bed: virtual printer, private CUPS, sample documents.
