/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Cgroups that come, go and exchange tasks while the agent runs.
 *
 * Hooks: cgroup_mkdir, which runs before any task can be in the new cgroup; cgroup_rmdir; cgroup_attach_task.
 *
 * A cgroup made below a watched one belongs to the same replica. Any other new cgroup is given a slot of its own at once,
 * provisionally, and user space says later whether it is to be watched: so the first instruction of a container is seen,
 * however long user space takes to hear of it.
 */

static __attribute__((always_inline)) u64 id_of(struct cgroup *cgroup)
{
	struct kernfs_node *node = NULL;
	u64 id = 0;

	KERNEL_READ(node, &cgroup->kn);
	KERNEL_READ(id, &node->id);
	return id;
}

static __attribute__((always_inline)) u64 parent_id_of(struct cgroup *cgroup)
{
	struct cgroup_subsys_state *state = NULL;
	struct cgroup *parent = NULL;

	KERNEL_READ(state, &cgroup->self.parent);
	KERNEL_READ(parent, &state->cgroup);
	return id_of(parent);
}

/* Every hierarchy reports here; one is watched. */
static __attribute__((always_inline)) bool is_watched_hierarchy(struct cgroup *cgroup)
{
	struct cgroup_root *root = NULL;
	int id = -1;

	KERNEL_READ(root, &cgroup->root);
	KERNEL_READ(id, &root->hierarchy_id);
	return id == HIERARCHY_ID;
}

static __attribute__((always_inline)) bool send_cgroup(struct scratch *scratch, u64 id, u32 slot, const char *path)
{
	long bytes = bpf_probe_read_kernel_str(scratch->payload, PATH_BYTES, path);

	scratch->head.cgroup_id = id;
	scratch->head.slot = slot;
	return send_record(scratch, bytes > 0 ? bytes : 0) == 0;
}

/* The slot of a new cgroup: its parent's, or a free one that is its own until user space has decided. */
static __attribute__((always_inline)) bool give_slot(struct cgroup *cgroup, struct cgroup_slot *given)
{
	u64 parent_id = parent_id_of(cgroup);
	struct cgroup_slot *parent = slots.lookup(&parent_id);

	if (parent && !parent->provisional) {
		given->slot = parent->slot;
		return true;
	}
	given->provisional = 1;
	return free_slots.pop(&given->slot) == 0;
}

int on_cgroup_mkdir(struct bpf_raw_tracepoint_args *ctx)
{
	struct cgroup *cgroup = (struct cgroup *)ctx->args[0];
	struct scratch *scratch = scratch_of(SCRATCH_CGROUP);
	struct cgroup_slot given = {};
	u64 id;

	if (!scratch || !is_watched_hierarchy(cgroup))
		return 0;
	if (!give_slot(cgroup, &given)) {
		count_node(NODE_SLOTS_LOST);
		return 0;
	}
	id = id_of(cgroup);
	begin_record(scratch, RECORD_CGROUP_MADE);
	if (!given.provisional)
		scratch->head.flags = FLAG_INHERITED;
	if (slots.update(&id, &given) == 0 && send_cgroup(scratch, id, given.slot, (const char *)ctx->args[1]))
		return 0;
	/* User space can't hear of it: take it back, so that it is found like a cgroup that was there before the agent. */
	count_node(NODE_CGROUPS_LOST);
	slots.delete(&id);
	if (given.provisional)
		free_slots.push(&given.slot, 0);
	return 0;
}

int on_cgroup_rmdir(struct bpf_raw_tracepoint_args *ctx)
{
	struct cgroup *cgroup = (struct cgroup *)ctx->args[0];
	struct scratch *scratch = scratch_of(SCRATCH_CGROUP);
	struct cgroup_slot *found;
	u64 id;

	if (!scratch || !is_watched_hierarchy(cgroup))
		return 0;
	id = id_of(cgroup);
	found = slots.lookup(&id);
	if (!found)
		return 0;
	begin_record(scratch, RECORD_CGROUP_GONE);
	if (!send_cgroup(scratch, id, found->slot, (const char *)ctx->args[1]))
		count_node(NODE_CGROUPS_LOST);
	slots.delete(&id);
	return 0;
}

/* All threads of the task may have moved, and the hook names one of them; so every thread of the node is looked at again. */
int on_cgroup_attach(struct bpf_raw_tracepoint_args *ctx)
{
	u32 zero = 0;
	struct control *now = control.lookup(&zero);

	if (now && is_watched_hierarchy((struct cgroup *)ctx->args[0]))
		__sync_fetch_and_add(&now->moves, 1);
	return 0;
}
