/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Which replica a task belongs to: by its thread id, in an array; or by its cgroup, in a hash.
 */

/* The stamp at which entries are up to date; never 0, which is the stamp of an empty entry. */
static __attribute__((always_inline)) u32 stamp_of(u32 window, struct control *now)
{
	u32 stamp = (window + now->changes + now->moves) & STAMP_MASK;

	return stamp ? stamp : 1;
}

static __attribute__((always_inline)) struct thread *thread_of(u32 tid)
{
	return threads.lookup(&tid);
}

/* Look at this thread again at its next system call. */
static __attribute__((always_inline)) void forget(u32 tid)
{
	struct thread *thread = thread_of(tid);

	if (thread)
		thread->entry = 0;
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

/* The slot of a task, by its cgroup; 0 if nobody watches it. */
static __attribute__((always_inline)) u32 slot_of(struct task_struct *task)
{
	u64 cgroup_id = cgroup_id_of(task);
	struct cgroup_slot *found = slots.lookup(&cgroup_id);

	return found ? found->slot & SLOT_MASK : 0;
}
