/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * System calls as the architecture passes them: number, table and arguments.
 */

#if defined(__TARGET_ARCH_arm64) || defined(__aarch64__)
#define IS_COMPAT(task)                                                                                                \
	(FOLLOW(task, thread_info_flags) & (1 << 22)) /* TIF_32BIT, arch/arm64/include/asm/thread_info.h */
#else
#define IS_COMPAT(task) (FOLLOW(task, thread_info_status) & 2) /* TS_COMPAT, arch/x86/include/asm/thread_info.h */
#endif

/* x32 calls are x86_64 calls with this bit set. */
#define X32_BIT 0x40000000u

/* Numbers above a table share its last bit, which no system call has. */
static __attribute__((always_inline)) u32 index_of(u32 number, bool compat)
{
	number &= ~X32_BIT;
	if (number >= CALLS_PER_TABLE)
		number = CALLS_PER_TABLE - 1;
	return compat ? number + CALLS_PER_TABLE : number;
}

static __attribute__((always_inline)) u64 argument(struct pt_regs *regs, u32 index, bool compat)
{
	u64 value = ~0ull;

#if defined(__TARGET_ARCH_arm64) || defined(__aarch64__)
	KERNEL_READ(value, &regs->regs[index & 7]);
#else
	if (index == 0)
		KERNEL_READ(value, compat ? &regs->bx : &regs->di);
	else if (index == 1)
		KERNEL_READ(value, compat ? &regs->cx : &regs->si);
	else if (index == 2)
		KERNEL_READ(value, &regs->dx);
	else if (index == 3)
		KERNEL_READ(value, compat ? &regs->si : &regs->r10);
	else if (index == 4)
		KERNEL_READ(value, compat ? &regs->di : &regs->r8);
	else if (index == 5)
		KERNEL_READ(value, compat ? &regs->bp : &regs->r9);
#endif
	return value;
}
