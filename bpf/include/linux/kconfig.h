/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * BCC force-includes this file before anything else; it asks only that the kernel has BPF.
 */
#pragma once
#define CONFIG_BPF_SYSCALL 1
