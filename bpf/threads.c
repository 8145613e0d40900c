/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Which replica a thread belongs to, looked up once per thread and window.
 *
 * A thread's entry holds its slot and the stamp at which it was looked up. The stamp moves on with each window, with each
 * move of a task between cgroups and with each change of what is watched; an entry with an older stamp is looked up
 * again, at which the process is seen as well. So the test that every system call makes is one comparison.
 */

/*
 * Look up the replica of the current thread, and see its process. The stamp is written only once its records are stored:
 * until then each system call of the thread tries again.
 */
static __attribute__((always_inline)) u32 admit(struct thread *thread, struct control *now, u32 scratch_use)
{
	u32 window = now->window;
	u32 stamp = stamp_of(window, now);
	struct task_struct *task = CURRENT_TASK();
	struct scene scene = {.window = window, .slot = slot_of(task)};
	bool done;

	thread->memo = 0;
	if (!scene.slot) {
		thread->entry = stamp << SLOT_BITS;
		return 0;
	}
	scene.scratch = scratch_of(scratch_use);
	if (!scene.scratch)
		return 0;
	done = see_process(&scene, task);
	done &= see_cwd(&scene, task);
	done &= see_credentials(&scene, task);
	thread->entry = (done ? stamp : 0) << SLOT_BITS | scene.slot;
	return scene.slot;
}

/* Find out where the current thread stands; false if nobody watches it. Its process is seen at its next system call. */
static __attribute__((always_inline)) bool enter_scene(struct scene *scene, u32 scratch_use)
{
	u32 zero = 0;
	struct thread *thread = thread_of(bpf_get_current_pid_tgid());
	struct control *now = control.lookup(&zero);

	if (!thread || !now)
		return false;
	scene->window = now->window;
	scene->slot = thread->entry & SLOT_MASK;
	if (thread->entry >> SLOT_BITS != stamp_of(scene->window, now))
		scene->slot = slot_of(CURRENT_TASK());
	scene->scratch = scratch_of(scratch_use);
	return scene->slot && scene->scratch;
}

int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	u32 zero = 0;
	u32 tid = bpf_get_current_pid_tgid();
	struct thread *thread = thread_of(tid);
	struct control *now = control.lookup(&zero);

	/* A thread that executes takes over the id of its group's leader (fs/exec.c, de_thread). */
	if ((u32)ctx->args[1] != tid)
		forget(ctx->args[1]);
	if (thread && now)
		admit(thread, now, SCRATCH_EXEC);
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
