/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Left empty: nothing of the packet interface is used.
 */
