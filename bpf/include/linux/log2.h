/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Left empty: BCC includes it, and defines what it needs of it itself.
 */
