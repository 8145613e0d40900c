/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Left empty: the BPF instruction constants come with the copy of bpf.h that BCC brings.
 */
