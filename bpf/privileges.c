/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Privileges: as whom a process runs, and the calls that change what it may do.
 *
 * Hooks: none of their own. Credentials are read from the kernel when a thread is looked up (threads.c): at each exec, at
 * its first call in a window, and after the calls that change them. Privileged calls are seen at sys_enter (calls.c), where
 * user space has said which arguments matter: so `mprotect` is one only where memory becomes executable.
 *
 * A privileged call is seen as it is tried, whether or not it is allowed.
 */

/* True unless the record has to be tried again. */
static __attribute__((always_inline)) bool see_credentials(struct scene *scene, struct task_struct *task)
{
	struct credentials *found = &scene->scratch->credentials;
	struct seen_key key = {.slot = scene->slot, .kind = RECORD_CREDENTIALS};
	const struct cred *cred = FOLLOW(task, cred);

	found->uid = FOLLOW(cred, uid);
	found->euid = FOLLOW(cred, euid);
	found->gid = FOLLOW(cred, gid);
	found->egid = FOLLOW(cred, egid);
	found->effective = FOLLOW(cred, cap_effective);
	key.word[0] = (u64)found->uid << 32 | found->euid;
	key.word[1] = (u64)found->gid << 32 | found->egid;
	key.word[2] = found->effective;
	if (was_stored(scene, &key) || !has_room(scene, RECORD_CREDENTIALS, MAX_PRIVILEGES))
		return true;
	begin_record(scene->scratch, RECORD_CREDENTIALS);
	return store(scene, &key, sizeof(*found));
}

/* Whether the tested argument says that the call matters; leaves of it what is recorded. */
static __attribute__((always_inline)) bool matters(struct call_interest *interest, u64 *tested)
{
	u32 found = *tested & interest->wanted;

	if (!interest->wanted)
		return true;
	*tested &= interest->kept;
	return interest->all ? found == interest->wanted : found != 0;
}

static __attribute__((always_inline)) void see_privileged_call(struct scene *scene, struct pt_regs *regs, u32 index,
							       bool compat)
{
	struct privileged_call *call = &scene->scratch->call;
	struct seen_key key = {.slot = scene->slot, .kind = RECORD_PRIVILEGED_CALL};
	struct call_interest *interest = interests.lookup(&index);
	u64 tested;
	u32 i;

	if (!interest)
		return;
	tested = argument(regs, interest->tested, compat);
	if (interest->take & TAKE_POINTED)
		bpf_probe_read_user(&tested, sizeof(tested), (const void *)argument(regs, 0, compat));
	if (!matters(interest, &tested))
		return;
	__builtin_memset(call, 0, sizeof(*call) + 8);
	call->index = index;
#pragma clang loop unroll(full)
	for (i = 0; i < 5; i++)
		if (interest->take & 1 << i)
			call->arguments[i] = i == interest->tested ? tested : argument(regs, i, compat);
	key.word[0] = hash_of(scene->scratch->payload, sizeof(*call), sizeof(*call));
	if (was_stored(scene, &key) || !has_room(scene, RECORD_PRIVILEGED_CALL, MAX_PRIVILEGES))
		return;
	begin_record(scene->scratch, RECORD_PRIVILEGED_CALL);
	store(scene, &key, sizeof(*call));
}
