/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The path of an open file as the kernel knows it, up to the root of its mount namespace.
 *
 * Read from dentries and mounts (fs/d_path.c does the same under locks), never from the memory of the caller, so that a
 * caller can't choose what is seen. Without the locks a rename in the middle of the walk can mix the old and the new path;
 * each component is still a name that the file had.
 *
 * The task's own root is not looked at: a process that changed its root to /tmp/x is seen opening /tmp/x/etc/passwd.
 */

/* One step up; true when the root of the mount namespace is reached, or the payload is full. */
static __attribute__((always_inline)) bool climb(struct scratch *scratch)
{
	struct walk *walk = &scratch->walk;
	struct dentry dentry;
	u32 at = walk->bytes;
	long copied;

	if (walk->dentry == walk->mnt_root) {
		struct mount *mount = (struct mount *)((char *)walk->mnt - offsetof(struct mount, mnt));
		struct mount *parent = NULL;

		KERNEL_READ(parent, &mount->mnt_parent);
		if (!parent || parent == mount)
			return true;
		KERNEL_READ(walk->dentry, &mount->mnt_mountpoint);
		walk->mnt = &parent->mnt;
		KERNEL_READ(walk->mnt_root, &parent->mnt.mnt_root);
		return false;
	}
	if (READ_DENTRY(dentry, walk->dentry) || dentry.d_parent == walk->dentry)
		return true;
	if (at >= PATH_BYTES - NAME_BYTES) {
		scratch->head.flags |= FLAG_CUT;
		return true;
	}
	copied = bpf_probe_read_kernel_str(scratch->payload + at, NAME_BYTES, dentry.d_name_name);
	if (copied > 0)
		walk->bytes = at + copied;
	walk->dentry = dentry.d_parent;
	return false;
}

/* Write a path to the payload, leaf first; returns its bytes, and sets FLAG_CUT when the top of it did not fit. */
static __attribute__((always_inline)) u32 write_path(struct scratch *scratch, struct vfsmount *mnt,
						     struct dentry *dentry)
{
	u32 step;

	scratch->walk.mnt = mnt;
	scratch->walk.dentry = dentry;
	scratch->walk.bytes = 0;
	KERNEL_READ(scratch->walk.mnt_root, &mnt->mnt_root);
#pragma clang loop unroll(disable)
	for (step = 0; step < PATH_DEPTH; step++)
		if (climb(scratch))
			return scratch->walk.bytes;
	scratch->head.flags |= FLAG_CUT;
	return scratch->walk.bytes;
}

/*
 * What tells a file apart from others that were at the address of its dentry before, or will be: the kernel reuses dentries
 * and the file system inode numbers, and directories are renamed. So besides its own name and inode there are the inode's
 * generation and the names of the two directories above.
 *
 * Not told apart within one window: what only differs further up, by a rename, or by reuse on a file system without
 * generations.
 */
static __attribute__((always_inline)) void identify(struct seen_key *key, struct path *path, struct dentry *dentry)
{
	struct dentry parent = {};
	u64 above = 0;
	u32 generation = 0;

	key->word[0] = (u64)path->dentry;
	key->word[1] = dentry->d_name_hash_len ^ (u64)path->mnt;
	key->word[2] = (u64)dentry->d_parent;
	KERNEL_READ(key->word[3], &dentry->d_inode->i_ino);
	KERNEL_READ(generation, &dentry->d_inode->i_generation);
	READ_DENTRY(parent, dentry->d_parent);
	KERNEL_READ(above, &parent.d_parent->d_name_hash_len);
	key->word[3] ^= (u64)generation << 32;
	key->word[4] = parent.d_name_hash_len * 31 ^ above;
}
