/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The integer types by which BCC's helpers and the programs in bpf/ speak. All kernels that Kinwatch supports are
 * 64-bit, so the sizes are those of the LP64 model.
 */
#pragma once

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;

/* As in uapi/linux/types.h: 8-byte alignment on every architecture. */
typedef __u64 __aligned_u64 __attribute__((aligned(8)));

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;

typedef __u16 __le16;
typedef __u16 __be16;
typedef __u32 __le32;
typedef __u32 __be32;
typedef __u64 __le64;
typedef __u64 __be64;
typedef __u16 __sum16;
typedef __u32 __wsum;

typedef _Bool bool;
#define true  1
#define false 0

typedef unsigned long uintptr_t;
typedef unsigned long size_t;
typedef int pid_t;

#ifndef NULL
#define NULL ((void *)0)
#endif
