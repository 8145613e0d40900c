/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Which replica a thread belongs to, looked up once per thread and window.
 *
 * A thread's entry holds its slot and the stamp at which it was looked up. The stamp moves on with each window, with each
 * move of a task between cgroups and with each change of what is watched; an entry with an older stamp is looked up
 * again, at which the process is seen as well. So the test that every system call makes is one comparison.
 */

/* The stamp at which entries are up to date; never 0, which is the stamp of an empty entry. */
static __attribute__((always_inline)) u32 stamp_of(u32 window, struct control *now)
{
	u32 stamp = (window + now->changes + now->moves) & STAMP_MASK;

	return stamp ? stamp : 1;
}

static __attribute__((always_inline)) u32 *entry_of(u32 tid)
{
	u32 index = tid >> 1;
	struct thread_pair *pair = threads.lookup(&index);

	if (!pair)
		return NULL;
	return &pair->of[tid & 1];
}

/* Look at this thread again at its next system call. */
static __attribute__((always_inline)) void forget(u32 tid)
{
	u32 *entry = entry_of(tid);

	if (entry)
		*entry = 0;
}

/*
 * The id of a task's cgroup in the hierarchy that is watched. On cgroup v1 and hybrid machines that is a controller's
 * hierarchy, since bpf_get_current_cgroup_id() knows the unified one only.
 */
static __attribute__((always_inline)) u64 cgroup_id_of(struct task_struct *task)
{
	struct css_set *set = FOLLOW(task, cgroups);
#if HIERARCHY_SUBSYS >= 0
	struct cgroup_subsys_state *state = FOLLOW(set, subsys[HIERARCHY_SUBSYS]);
	struct cgroup *cgroup = FOLLOW(state, cgroup);
#else
	struct cgroup *cgroup = FOLLOW(set, dfl_cgrp);
#endif
	struct kernfs_node *node = FOLLOW(cgroup, kn);

	return FOLLOW(node, id);
}

/*
 * Look up the replica of the current thread, and see its process. The stamp is written only once both records are stored:
 * until then each system call of the thread tries again.
 */
static __attribute__((always_inline)) u32 admit(u32 *entry, struct control *now, u32 scratch_use)
{
	u32 window = now->window;
	u32 stamp = stamp_of(window, now);
	struct task_struct *task = CURRENT_TASK();
	u64 cgroup_id = cgroup_id_of(task);
	struct cgroup_slot *found = slots.lookup(&cgroup_id);
	struct scene scene = {.window = window};
	bool done;

	if (!found) {
		*entry = stamp << SLOT_BITS;
		return 0;
	}
	scene.slot = found->slot & SLOT_MASK;
	scene.scratch = scratch_of(scratch_use);
	if (!scene.scratch)
		return 0;
	done = see_process(&scene, task);
	done &= see_cwd(&scene, task);
	*entry = (done ? stamp : 0) << SLOT_BITS | scene.slot;
	return scene.slot;
}

int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	u32 zero = 0;
	u32 tid = bpf_get_current_pid_tgid();
	u32 *entry = entry_of(tid);
	struct control *now = control.lookup(&zero);

	/* A thread that executes takes over the id of its group's leader (fs/exec.c, de_thread). */
	if ((u32)ctx->args[1] != tid)
		forget(ctx->args[1]);
	if (entry && now)
		admit(entry, now, SCRATCH_EXEC);
	return 0;
}

int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	forget(bpf_get_current_pid_tgid());
	return 0;
}

/* The comm changes right after this hook; the thread's next system call sees the new one. */
int on_rename(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	u32 tid = 0;

	KERNEL_READ(tid, &task->pid);
	forget(tid);
	return 0;
}
