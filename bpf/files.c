/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Files, by the descriptors that system calls are given.
 *
 * Hook: none of its own; called at sys_enter. A file is seen at the first use of its descriptor, be it only its close,
 * so no probe at sys_exit is needed, which would cost every system call of the node 52 ns more. Descriptors that were
 * open before the agent, were inherited, duplicated or received are seen in the same way, since the descriptor's number
 * is never remembered: each use goes from the number to the open file.
 *
 * Not seen: a file whose descriptor is opened and then neither used nor closed by a call of its own before its process
 * ends or executes another program.
 */

/* Whether a dentry is one that no path leads to: sockets, pipes, anonymous inodes and memfds have such. */
static __attribute__((always_inline)) bool is_pseudo(struct vfsmount *mnt, struct dentry *dentry, struct dentry *parent)
{
	struct dentry *mnt_root = NULL;

	if (parent != dentry)
		return false;
	KERNEL_READ(mnt_root, &mnt->mnt_root);
	return mnt_root != dentry;
}

/* Fill in what the record of a file says besides its path. */
static __attribute__((always_inline)) void describe_inode(struct record *head, struct inode *inode)
{
	struct super_block *sb = NULL;
	unsigned long magic = 0;

	KERNEL_READ(sb, &inode->i_sb);
	KERNEL_READ(magic, &sb->s_magic);
	head->fs_magic = magic;
	KERNEL_READ(head->mode, &inode->i_mode);
}

/*
 * A pseudo file: every socket and every pipe has a dentry of its own, but only the kind is a feature. So the kind is
 * looked up a second time, under its operations, its family and its name; and the dentry is remembered in either case.
 */
static __attribute__((always_inline)) bool store_pseudo(struct scene *scene, struct file *file, u32 family,
							const unsigned char *name)
{
	struct scratch *scratch = scene->scratch;
	struct seen_key kind = {.slot = scene->slot, .kind = RECORD_FILE};
	long copied = bpf_probe_read_kernel_str(scratch->payload, NAME_BYTES, name);
	u32 bytes = copied > 0 ? copied & (2 * NAME_BYTES - 1) : 0;

	*(u64 *)(scratch->payload + bytes) = 0;
	KERNEL_READ(kind.word[0], &file->f_op);
	kind.word[1] = family;
	kind.word[2] = hash_of(scratch->payload, bytes, NAME_BYTES);
	if (was_stored(scene, &kind))
		return true;
	scratch->head.family = family;
	scratch->head.flags |= FLAG_PSEUDO;
	return store(scene, &kind, bytes);
}

/*
 * A file that no path leads to. A socket changes while it is open: so what it is connected to is part of its key, and
 * both ends are looked at again when that changes.
 */
static __attribute__((always_inline)) bool see_pseudo(struct scene *scene, struct seen_key *key, struct file *file,
						      struct dentry *dentry)
{
	struct sock_common ends = {};
	struct sock *sock = NULL;
	u16 mode = 0;

	KERNEL_READ(key->word[4], &file->f_op);
	KERNEL_READ(mode, &dentry->d_inode->i_mode);
	if ((mode & 0170000) == 0140000) {
		sock = socket_of(file);
		KERNEL_READ(ends, sock);
		key->word[1] = (u64)ends.skc_daddr << 32 | (u64)ends.skc_dport << 16 | ends.skc_num;
		key->word[2] = (u64)ends.skc_family << 8 | ends.skc_state;
	}
	if (was_stored(scene, key))
		return true;
	if (!has_room(scene, RECORD_FILE, MAX_FILES))
		return false;
	begin_record(scene->scratch, RECORD_FILE);
	describe_inode(&scene->scratch->head, dentry->d_inode);
	if (!store_pseudo(scene, file, ends.skc_family, dentry->d_name_name))
		return false;
	if (sock && !see_socket(scene, sock, &ends))
		return false;
	seen.update(key, &scene->window);
	return true;
}

/* True if the file is stored, false if it has to be tried again. */
static __attribute__((always_inline)) bool see_file(struct scene *scene, struct file *file)
{
	struct seen_key key = {.slot = scene->slot, .kind = RECORD_FILE};
	struct dentry dentry;
	struct path path;

	if (KERNEL_READ(path, &file->f_path) || READ_DENTRY(dentry, path.dentry))
		return false;
	if (is_pseudo(path.mnt, path.dentry, dentry.d_parent)) {
		key.word[0] = (u64)path.dentry;
		KERNEL_READ(key.word[3], &dentry.d_inode->i_ino);
		return see_pseudo(scene, &key, file, &dentry);
	}
	identify(&key, &path, &dentry);
	if (was_stored(scene, &key))
		return true;
	if (!has_room(scene, RECORD_FILE, MAX_FILES))
		return false;
	begin_record(scene->scratch, RECORD_FILE);
	describe_inode(&scene->scratch->head, dentry.d_inode);
	return store(scene, &key, write_path(scene->scratch, path.mnt, path.dentry));
}

static __attribute__((always_inline)) bool see_descriptor(struct scene *scene, struct files_struct *files,
							  u32 descriptor)
{
	struct file *file = NULL;
	struct fdtable *table = FOLLOW(files, fdt);
	struct file **descriptors = FOLLOW(table, fd);

	/* -1, AT_FDCWD and the like are above any table. */
	if (descriptor >= FOLLOW(table, max_fds))
		return false;
	KERNEL_READ(file, descriptors + descriptor);
	return file && see_file(scene, file);
}
