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

/* See again what the thread's last call changed. */
static __attribute__((always_inline)) void revisit(struct scene *scene, struct task_struct *task)
{
	u32 tid = bpf_get_current_pid_tgid();
	u32 *descriptor = revisits.lookup(&tid);

	if (!descriptor)
		return;
	scene->scratch = scratch_of(SCRATCH_CALL);
	if (scene->scratch)
		see_descriptor(scene, FOLLOW(task, files), *descriptor);
	revisits.delete(&tid);
}

/* Look at the thread again at its next call, and at the descriptor that this one was given. */
static __attribute__((always_inline)) void rescan_later(u32 *entry, struct pt_regs *regs, u32 trait, bool compat)
{
	u32 tid = bpf_get_current_pid_tgid();
	u32 descriptor;

	*entry &= SLOT_MASK;
	if (!(trait & TRAIT_FIRST_FD))
		return;
	descriptor = argument(regs, (trait & TRAIT_FIRST_FD) - 1, compat);
	revisits.update(&tid, &descriptor);
}

int on_sys_enter(struct bpf_raw_tracepoint_args *ctx)
{
	u32 zero = 0;
	u32 *entry = entry_of(bpf_get_current_pid_tgid());
	struct control *now = control.lookup(&zero);
	struct pt_regs *regs = (struct pt_regs *)ctx->args[0];
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
	task = CURRENT_TASK();
	if (*entry >> SLOT_BITS != stamp_of(scene.window, now)) {
		scene.slot = admit(entry, now, SCRATCH_CALL);
		if (scene.slot)
			revisit(&scene, task);
	}
	if (!scene.slot)
		return 0;
	compat = IS_COMPAT(task);
	index = index_of(ctx->args[1], compat);
	set_bit(&scene, index, 1);
	all_traits = traits.lookup(&zero);
	if (!all_traits)
		return 0;
	OPAQUE(index);
	trait = all_traits->of[index & (2 * CALLS_PER_TABLE - 1)];
	if (!trait)
		return 0;
	if (trait & TRAIT_RESCAN)
		rescan_later(entry, regs, trait, compat);
	scene.scratch = scratch_of(SCRATCH_CALL);
	if (!scene.scratch)
		return 0;
	see_descriptors(&scene, task, regs, trait & (TRAIT_FIRST_FD | TRAIT_SECOND_FD), compat);
	if (trait & TRAIT_PRIVILEGED)
		see_privileged_call(&scene, regs, index, compat);
	if (index == CALL_SENDTO)
		see_sent_to(&scene, argument(regs, 4, false), argument(regs, 5, false));
	else if (index == CALL_SENDMSG || index == CALL_SENDMMSG)
		see_message(&scene, argument(regs, 1, false));
	return 0;
}
