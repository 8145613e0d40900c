/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * System calls: a bit for each, and the descriptors that they are given.
 *
 * Hook: the raw tracepoint sys_enter, which costs 85 ns where the classic one costs 129; there is none at sys_exit.
 * What a call that brings nothing new costs: the thread's entry and the control word, two inlined array look-ups, and a
 * comparison; a task of no watched replica leaves there. Then the per-CPU set of the replica, in which the count and the
 * bit are written without an atomic, since no other CPU writes there.
 *
 * Not seen: what io_uring does (it makes no system calls), and the descriptors inside the arrays of poll and select.
 */

#if defined(__TARGET_ARCH_arm64) || defined(__aarch64__)
#define IS_COMPAT(task) (FOLLOW(task, thread_info_flags) & (1 << 22)) /* TIF_32BIT, arch/arm64/include/asm/thread_info.h */
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
#endif
	return value;
}

static __attribute__((always_inline)) void count_call(struct scene *scene, u32 index)
{
	u32 element = element_of(scene);
	struct call_set *set = calls.lookup(&element);
	u64 *word;

	if (!set)
		return;
	set->events++;
	OPAQUE(index);
	word = &set->bits[(index >> 6) & (CALL_WORDS - 1)];
	if (!(*word & 1ull << (index & 63)))
		*word |= 1ull << (index & 63);
}

/* See the one or two descriptors that a call is given. */
static __attribute__((always_inline)) void see_descriptors(struct scene *scene, struct task_struct *task,
							   struct pt_regs *regs, u32 which, bool compat)
{
	struct files_struct *files = FOLLOW(task, files);
	u32 i;

#pragma clang loop unroll(disable)
	for (i = 0; i < 2; i++) {
		if (!(which & TRAIT_FIRST_FD))
			break;
		see_descriptor(scene, files, argument(regs, (which & TRAIT_FIRST_FD) - 1, compat));
		which >>= 3;
	}
}

int on_sys_enter(struct bpf_raw_tracepoint_args *ctx)
{
	u32 zero = 0;
	u32 *entry = entry_of(bpf_get_current_pid_tgid());
	struct control *now = control.lookup(&zero);
	struct call_traits *all_traits;
	struct task_struct *task;
	struct scene scene = {};
	bool compat;
	u32 index;
	u8 trait;

	if (!entry)
		count_node(NODE_THREADS_LOST);
	if (!entry || !now)
		return 0;
	scene.window = now->window;
	scene.slot = *entry & SLOT_MASK;
	if (*entry >> SLOT_BITS != stamp_of(scene.window, now))
		scene.slot = admit(entry, now, SCRATCH_CALL);
	if (!scene.slot)
		return 0;
	task = CURRENT_TASK();
	compat = IS_COMPAT(task);
	index = index_of(ctx->args[1], compat);
	count_call(&scene, index);
	all_traits = traits.lookup(&zero);
	if (!all_traits)
		return 0;
	OPAQUE(index);
	trait = all_traits->of[index & (2 * CALLS_PER_TABLE - 1)];
	if (!trait)
		return 0;
	if (trait & TRAIT_RESCAN)
		*entry = 0;
	scene.scratch = scratch_of(SCRATCH_CALL);
	if (scene.scratch)
		see_descriptors(&scene, task, (struct pt_regs *)ctx->args[0], trait & ~TRAIT_RESCAN, compat);
	return 0;
}
