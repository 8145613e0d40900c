/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Processes: their comm, argument list and working directory.
 *
 * Hooks:
 * - sched_process_exec, after the new program's stack was written and before its first instruction: the argument list is
 *   complete and in memory, however short the process lives.
 * - the first system call of a thread in a window (calls.c), which sees processes that were there before, forks that
 *   execute nothing, and what a process made of its comm, arguments and directory since.
 * - task_rename and sched_process_exit: the thread is looked at again, or forgotten so that its id can be reused.
 *
 * The argument list is the process's own memory, as in /proc/PID/cmdline: a process can rewrite it after it started. What
 * it was at exec has been sent by then.
 */

/* Copy the argument list to the payload; returns its bytes, 0 with FLAG_UNREADABLE when its pages are not in memory. */
static __attribute__((always_inline)) u32 write_arguments(struct scratch *scratch, struct task_struct *task)
{
	struct mm_struct *mm = FOLLOW(task, mm);
	unsigned long start = FOLLOW(mm, arg_start);
	u64 bytes = FOLLOW(mm, arg_end) - start;

	if (bytes > ARGUMENT_BYTES) {
		scratch->head.flags |= FLAG_CUT;
		bytes = ARGUMENT_BYTES;
	}
	if (bpf_probe_read_user(scratch->payload, bytes, (const void *)start)) {
		scratch->head.flags |= FLAG_UNREADABLE;
		bytes = 0;
	}
	*(u64 *)(scratch->payload + bytes) = 0;
	return bytes;
}

/* Whether a process runs what no path leads to: a memfd, or a file that was deleted, by then or since. */
static __attribute__((always_inline)) u32 flags_of_program(struct task_struct *task)
{
	struct mm_struct *mm = FOLLOW(task, mm);
	struct file *program = FOLLOW(mm, exe_file);
	struct dentry dentry = {};
	struct path path = {};
	u32 links = 1;

	if (!program || KERNEL_READ(path, &program->f_path) || READ_DENTRY(dentry, path.dentry))
		return 0;
	if (KERNEL_READ(links, &dentry.d_inode->i_nlink) || links)
		return 0;
	return is_pseudo(path.mnt, path.dentry, dentry.d_parent) ? FLAG_MEMFD : FLAG_DELETED;
}

/* True unless the record has to be tried again. */
static __attribute__((always_inline)) bool see_process(struct scene *scene, struct task_struct *task)
{
	struct seen_key key = {.slot = scene->slot, .kind = RECORD_PROCESS};
	struct record *head = &scene->scratch->head;
	struct task_struct *parent = FOLLOW(task, real_parent);

	begin_record(scene->scratch, RECORD_PROCESS);
	head->parent_tgid = FOLLOW(parent, tgid);
	KERNEL_READ(head->parent_comm, &parent->comm);
	if (slot_of(parent) != scene->slot)
		head->flags |= FLAG_OUTSIDE;
	head->flags |= flags_of_program(task);
	/* Kept in the record: each way out of the hash's loop would tell the verifier another bound of a variable. */
	head->payload_bytes = write_arguments(scene->scratch, task);
	key.word[0] = hash_of(scene->scratch->payload, head->payload_bytes, ARGUMENT_BYTES);
	__builtin_memcpy(&key.word[1], head->comm, sizeof(head->comm));
	key.word[3] = (u64)head->flags << 32 | (head->flags & FLAG_UNREADABLE ? head->tgid : 0);
	if (was_stored(scene, &key) || !has_room(scene, RECORD_PROCESS, MAX_PROCESSES))
		return true;
	return store(scene, &key, head->payload_bytes);
}

/* True unless the record has to be tried again. */
static __attribute__((always_inline)) bool see_cwd(struct scene *scene, struct task_struct *task)
{
	struct seen_key key = {.slot = scene->slot, .kind = RECORD_CWD};
	struct fs_struct *fs = FOLLOW(task, fs);
	struct dentry dentry;
	struct path pwd;

	if (KERNEL_READ(pwd, &fs->pwd) || READ_DENTRY(dentry, pwd.dentry))
		return true;
	identify(&key, &pwd, &dentry);
	if (was_stored(scene, &key) || !has_room(scene, RECORD_CWD, MAX_CWDS))
		return true;
	begin_record(scene->scratch, RECORD_CWD);
	return store(scene, &key, write_path(scene->scratch, pwd.mnt, pwd.dentry));
}
