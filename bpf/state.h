/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The maps that the probes share, and how a feature becomes a record once per window.
 *
 * Kernel floor: 5.8 (ring buffer, BPF_F_MMAPABLE arrays); direct reads of the current task from 5.11, by a helper before.
 *
 * | map        | size                  | when full                                                            |
 * |------------|-----------------------|----------------------------------------------------------------------|
 * | threads    | pid_max, 8 B each     | if pid_max was raised meanwhile: not watched; NODE_THREADS_LOST      |
 * | calls      | 2 MAX_REPLICAS, a CPU | cannot be                                                            |
 * | counts     | 2 MAX_REPLICAS        | cannot be                                                            |
 * | slots      | 2 MAX_REPLICAS        | a new cgroup waits for user space to look; NODE_CGROUPS_LOST         |
 * | free_slots | MAX_REPLICAS          | empty: a new cgroup is not watched; NODE_SLOTS_LOST                  |
 * | seen       | MAX_SEEN, LRU         | the record of the feature used longest ago is sent again             |
 * | listening  | MAX_LISTENING, LRU    | a connection accepted at the forgotten port reads as made by the replica |
 * | revisits   | MAX_REVISITS, LRU     | the socket is seen at its next use instead of its thread's next call |
 * | ring       | RING_PAGES            | the record is not stored, counted as lost, tried at its next use     |
 */

BPF_F_TABLE("array", u32, struct control, control, 1, BPF_F_MMAPABLE);
BPF_ARRAY(traits, struct call_traits, 1);
BPF_ARRAY(node_counts, u64, NODE_COUNTS);

/*
 * Of each thread, by thread id. An array, since an array look-up is inlined by the kernel and a hash look-up isn't.
 */
struct thread {
	u32 entry; /* its slot, 12 bits, and the stamp at which that was looked up, 20 bits */
	u32 memo;  /* 1 + the descriptor that its last call was given and that need not be looked at again; 0: none */
};
BPF_ARRAY(threads, struct thread, THREADS);
#define SLOT_BITS  12
#define SLOT_MASK  ((1 << SLOT_BITS) - 1)
#define STAMP_MASK ((1 << (32 - SLOT_BITS)) - 1)

BPF_HASH(slots, u64, struct cgroup_slot, 2 * MAX_REPLICAS);
BPF_QUEUE(free_slots, u32, MAX_REPLICAS);
BPF_PERCPU_ARRAY(calls, struct call_set, 2 * MAX_REPLICAS);
BPF_ARRAY(counts, struct replica_count, 2 * MAX_REPLICAS);
BPF_ARRAY(interests, struct call_interest, 2 * CALLS_PER_TABLE);
BPF_RINGBUF_OUTPUT(ring, RING_PAGES);

/* Ports that a replica listens on: a connection to one of them was not made by the replica. */
struct listening_key {
	u32 slot;
	u32 port;
};
BPF_TABLE("lru_hash", struct listening_key, u8, listening, MAX_LISTENING);

/* The descriptor that a thread's last call changed: seen again at its next call, when the change has been made. */
BPF_TABLE("lru_hash", u32, u32, revisits, MAX_REVISITS);

/*
 * What was stored, and in which window. A pointer alone would not do as a key: the kernel reuses a freed dentry for the
 * next file. So the key holds what tells two files apart that follow each other at one address.
 */
struct seen_key {
	u64 word[5];
	u32 slot;
	u32 kind;
};
BPF_TABLE("lru_hash", struct seen_key, u32, seen, MAX_SEEN);

/*
 * Where the walk up a path stands. In a map, not on the stack: the verifier follows the value of each variable on the
 * stack through each way that the loop can go, which for 48 steps is more than it is willing to.
 */
struct walk {
	struct vfsmount *mnt;
	struct dentry *dentry;
	struct dentry *mnt_root;
	u32 bytes;
	u32 zero;
};

/*
 * Where a record is put together; one per probe, since from kernel 6.19 a probe can be preempted by another one's. The
 * payload has 8 bytes more than what is sent, for the zeros behind an argument list.
 */
struct scratch {
	struct record head;
	union {
		char payload[PATH_BYTES + 8];
		struct endpoint internet;
		struct unix_endpoint local;
		struct credentials credentials;
		struct privileged_call call;
	};
	struct walk walk;
	u32 records_wait; /* the thread of the call that is being seen was looked up, and its records found no room */
	u32 zero;
};
enum scratch_use { SCRATCH_CALL, SCRATCH_EXEC, SCRATCH_CGROUP, SCRATCH_URING, SCRATCH_TCP, SCRATCH_USES };
BPF_PERCPU_ARRAY(scratches, struct scratch, SCRATCH_USES);

/*
 * What few system calls come to is in programs of their own, which are jumped to: with all in one, the verifier would
 * follow every way through the one part into every way through the next.
 */
enum program { PROGRAM_ENTER, PROGRAM_ADMIT, PROGRAM_MORE, PROGRAMS };
BPF_PROG_ARRAY(programs, PROGRAMS);

/* Where the probe stands: the replica, the open window, and where to put a record together. */
struct scene {
	struct scratch *scratch;
	u32 slot;
	u32 window;
};

/*
 * Hide from the compiler what it knows of a value, so that a bound is tested on the very register that is used: the
 * verifier does not know that a copy of it made before the test is bounded too.
 */
#define OPAQUE(value) asm volatile("" : "+r"(value))

#define KERNEL_READ(into, from) bpf_probe_read_kernel(&(into), sizeof(into), (const void *)(from))

/* Copy what is wanted of a dentry, and not the padding before it. */
#define READ_DENTRY(into, from)                                                                                        \
	bpf_probe_read_kernel((char *)&(into) + offsetof(struct dentry, d_parent),                                     \
			      sizeof(struct dentry) - offsetof(struct dentry, d_parent),                               \
			      (const char *)(from) + offsetof(struct dentry, d_parent))

#if CURRENT_TASK_BTF >= 0
/* The verifier knows the type of the current task, and lets plain loads follow its pointers (kernel 5.11). */
#define CURRENT_TASK()		((struct task_struct *)bpf_get_current_task_btf())
#define FOLLOW(pointer, member) ((pointer)->member)
#else
#define CURRENT_TASK() ((struct task_struct *)bpf_get_current_task())
/* The comma takes `const` from the type: a constant would stay the 0 that the compiler was told first. */
#define FOLLOW(pointer, member)                                                                                        \
	({                                                                                                             \
		typeof(((void)0, (pointer)->member)) value_ = 0;                                                       \
		bpf_probe_read_kernel(&value_, sizeof(value_), &(pointer)->member);                                    \
		value_;                                                                                                \
	})
#endif

static __attribute__((always_inline)) struct scratch *scratch_of(u32 use)
{
	return scratches.lookup(&use);
}

static __attribute__((always_inline)) void count_node(u32 which)
{
	u64 *count = node_counts.lookup(&which);

	if (count)
		__sync_fetch_and_add(count, 1);
}

/* Where a replica's element for this window stands in the maps that have two to a replica. */
static __attribute__((always_inline)) u32 element_of(struct scene *scene)
{
	return scene->slot << 1 | (scene->window & 1);
}

static __attribute__((always_inline)) struct replica_count *count_of(struct scene *scene)
{
	u32 element = element_of(scene);

	return counts.lookup(&element);
}

/* Set a bit of the replica's call set, and count the calls that set it. */
static __attribute__((always_inline)) void set_bit(struct scene *scene, u32 bit, u32 calls_made)
{
	u32 element = element_of(scene);
	struct call_set *set = calls.lookup(&element);
	u32 word = bit >> 6;

	OPAQUE(word);
	if (!set || word >= CALL_WORDS)
		return;
	set->events += calls_made;
	if (!(set->bits[word] & 1ull << (bit & 63)))
		set->bits[word] |= 1ull << (bit & 63);
}

/*
 * A keyed hash of a payload of at most `most` bytes, a constant, which is followed by 8 zero bytes; the key is drawn anew at
 * each start of the agent, so that nobody can choose two argument lists that collide.
 */
static __attribute__((always_inline)) u64 hash_of(const char *payload, u32 bytes, u32 most)
{
	u64 hash = HASH_KEY ^ bytes;
	u32 at;

	OPAQUE(bytes);
#pragma clang loop unroll(disable)
	for (at = 0; at < most; at += sizeof(u64)) {
		if (at >= bytes)
			break;
		hash = (hash ^ *(const u64 *)(payload + at)) * 0x9e3779b97f4a7c15ull;
		hash ^= hash >> 29;
	}
	return hash;
}

static __attribute__((always_inline)) bool was_stored(struct scene *scene, struct seen_key *key)
{
	u32 *window = seen.lookup(key);

	return window && *window == scene->window;
}

static __attribute__((always_inline)) void begin_record(struct scratch *scratch, u8 kind)
{
	u64 pid_tgid = bpf_get_current_pid_tgid();

	__builtin_memset(&scratch->head, 0, sizeof(scratch->head));
	scratch->head.ktime_ns = bpf_ktime_get_ns();
	scratch->head.tgid = pid_tgid >> 32;
	scratch->head.tid = (u32)pid_tgid;
	scratch->head.kind = kind;
	bpf_get_current_comm(scratch->head.comm, sizeof(scratch->head.comm));
}

static __attribute__((always_inline)) long send_record(struct scratch *scratch, u64 payload_bytes)
{
	OPAQUE(payload_bytes);
	if (payload_bytes > PATH_BYTES)
		payload_bytes = PATH_BYTES;
	scratch->head.payload_bytes = payload_bytes;
	OPAQUE(payload_bytes);
	return ring.ringbuf_output(scratch, sizeof(struct record) + payload_bytes, 0);
}

/* Whether a replica may add one more feature of a kind to its window; counts the refusal. */
static __attribute__((always_inline)) bool has_room(struct scene *scene, u32 kind, u32 bound)
{
	struct replica_count *count = count_of(scene);

	if (!count)
		return false;
	if (count->stored[kind] < bound)
		return true;
	__sync_fetch_and_add(&count->truncated[kind], 1);
	return false;
}

/*
 * Send the record of a feature, and only once that is done remember the feature as stored. Where it could not be sent,
 * the loss is counted, and the feature's next use tries again.
 */
static __attribute__((always_inline)) bool store(struct scene *scene, struct seen_key *key, u64 payload_bytes)
{
	struct replica_count *count = count_of(scene);
	u32 kind = key->kind;

	if (!count || kind >= FEATURE_KINDS)
		return false;
	scene->scratch->head.slot = scene->slot;
	scene->scratch->head.window = scene->window;
	if (send_record(scene->scratch, payload_bytes)) {
		__sync_fetch_and_add(&count->lost[kind], 1);
		return false;
	}
	seen.update(key, &scene->window);
	__sync_fetch_and_add(&count->stored[kind], 1);
	return true;
}
