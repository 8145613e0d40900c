/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * BCC wants the macro to exist. Nothing in bpf/ asks for the version of the kernel in this way: what a kernel has is
 * read from its BTF (agent/layouts.py).
 */
#pragma once
#define LINUX_VERSION_CODE	0
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
