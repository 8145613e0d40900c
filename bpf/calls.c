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

/* What a call asks for besides its bit. */
static __attribute__((always_inline)) u32 trait_of(u32 index)
{
	u32 zero = 0;
	struct call_traits *all = traits.lookup(&zero);

	OPAQUE(index);
	return all ? all->of[index & (2 * CALLS_PER_TABLE - 1)] : 0;
}

/* See again what the thread's last call changed. */
static __attribute__((always_inline)) void revisit(struct scene *scene, struct task_struct *task)
{
	u32 tid = bpf_get_current_pid_tgid();
	u32 *descriptor = revisits.lookup(&tid);

	if (!descriptor)
		return;
	see_descriptor(scene, FOLLOW(task, files), *descriptor);
	revisits.delete(&tid);
}

/* Look at the thread again at its next call, and at the descriptor that this one was given, if it was given one. */
static __attribute__((always_inline)) void rescan_later(struct thread *thread, u32 trait, u32 descriptor)
{
	u32 tid = bpf_get_current_pid_tgid();

	thread->entry &= SLOT_MASK;
	if (trait & TRAIT_FIRST_FD)
		revisits.update(&tid, &descriptor);
}

/*
 * See the descriptor that a call is given, unless the thread's last call was given the same one: then it is still the same
 * file, provided that nobody shares the table of descriptors, since any call of the thread's own in between would have
 * taken the memo away.
 */
static __attribute__((always_inline)) void see_first(struct scene *scene, struct thread *thread,
						     struct files_struct *files, u32 trait, u32 descriptor)
{
	bool stored;

	if (thread->memo == descriptor + 1) {
		if (trait & TRAIT_CLOSES)
			thread->memo = 0;
		return;
	}
	stored = see_descriptor(scene, files, descriptor);
	thread->memo = stored && !(trait & TRAIT_CLOSES) && FOLLOW(files, count) == 1 ? descriptor + 1 : 0;
}

/* A call that asks for more than its bit. Few ask for more than their first descriptor: that is another program. */
static __attribute__((always_inline)) void see_call(struct scene *scene, struct thread *thread,
						    struct task_struct *task, struct pt_regs *regs, u32 index,
						    u32 trait)
{
	u32 first = trait & TRAIT_FIRST_FD;

	scene->scratch = scratch_of(SCRATCH_CALL);
	if (scene->scratch && first)
		see_first(scene, thread, FOLLOW(task, files), trait,
			  argument(regs, first - 1, index >= CALLS_PER_TABLE));
}

/* The second descriptor of a call, privileges, an address; and what is to be looked at again at the next call. */
int on_more(struct bpf_raw_tracepoint_args *ctx)
{
	struct thread *thread = thread_of(bpf_get_current_pid_tgid());
	struct pt_regs *regs = (struct pt_regs *)ctx->args[0];
	struct task_struct *task = CURRENT_TASK();
	bool compat = IS_COMPAT(task);
	u32 index = index_of(ctx->args[1], compat);
	u32 trait = trait_of(index);
	u32 second = (trait & TRAIT_SECOND_FD) >> 3;
	struct scene scene = {};

	if (!thread || !enter_scene(&scene, SCRATCH_CALL))
		return 0;
	thread->memo = 0;
	if (second)
		see_descriptor(&scene, FOLLOW(task, files), argument(regs, second - 1, compat));
	if (trait & TRAIT_PRIVILEGED)
		see_privileged_call(&scene, regs, index, compat);
	if (index == CALL_SENDTO)
		see_sent_to(&scene, argument(regs, 4, false), argument(regs, 5, false));
	else if (index == CALL_SENDMSG || index == CALL_SENDMMSG)
		see_message(&scene, argument(regs, 1, false));
	if (trait & TRAIT_RESCAN)
		rescan_later(thread, trait, argument(regs, (trait & TRAIT_FIRST_FD) - 1, compat));
	return 0;
}

/* Look the thread up, and go on with its call. */
int on_admit(struct bpf_raw_tracepoint_args *ctx)
{
	u32 zero = 0;
	struct thread *thread = thread_of(bpf_get_current_pid_tgid());
	struct control *now = control.lookup(&zero);
	struct scene scene = {};

	if (!thread || !now || !admit(thread, now, SCRATCH_CALL) || !enter_scene(&scene, SCRATCH_CALL))
		return 0;
	revisit(&scene, CURRENT_TASK());
	scene.scratch->records_wait = thread->entry >> SLOT_BITS == 0;
	programs.call(ctx, PROGRAM_ENTER);
	return 0;
}

/* Whether the thread was just looked up in vain: its records found no room, and wait for its next call. */
static __attribute__((always_inline)) bool do_records_wait(void)
{
	struct scratch *scratch = scratch_of(SCRATCH_CALL);

	if (!scratch || !scratch->records_wait)
		return false;
	scratch->records_wait = 0;
	return true;
}

int on_sys_enter(struct bpf_raw_tracepoint_args *ctx)
{
	u32 zero = 0;
	struct thread *thread = thread_of(bpf_get_current_pid_tgid());
	struct control *now = control.lookup(&zero);
	struct task_struct *task;
	struct scene scene = {};
	u32 index;
	u32 trait;

	if (!thread)
		count_node(NODE_THREADS_LOST);
	if (!thread || !now)
		return 0;
	scene.window = now->window;
	if (thread->entry >> SLOT_BITS != stamp_of(scene.window, now) && !do_records_wait())
		programs.call(ctx, PROGRAM_ADMIT);
	scene.slot = thread->entry & SLOT_MASK;
	if (!scene.slot)
		return 0;
	task = CURRENT_TASK();
	index = index_of(ctx->args[1], IS_COMPAT(task));
	set_bit(&scene, index, 1);
	trait = trait_of(index);
	if (trait)
		see_call(&scene, thread, task, (struct pt_regs *)ctx->args[0], index, trait);
	else
		thread->memo = 0;
	if (trait & ~(TRAIT_FIRST_FD | TRAIT_CLOSES))
		programs.call(ctx, PROGRAM_MORE);
	return 0;
}
