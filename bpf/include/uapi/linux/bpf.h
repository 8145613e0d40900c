/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Left empty: BCC brings its own copy of this header and includes it first.
 */
