/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What kernel and user space hand each other, and every bound on it.
 *
 * Flow: all probes -> **records** -> agent/records.py, which mirrors each struct of this file; tests/agent/
 * test_records.py reads the compiled layouts and fails where the two differ.
 *
 * All structs are padded by hand, so that no byte of them is left unwritten.
 */
#pragma once

/*
 * Replicas watched at once, slot 0 being "not watched". A kubelet runs 110 pods by default and is tested with 500; but a
 * pod takes three slots while it starts, and none comes back before its window is closed. A thread's entry has 12 bits for it.
 */
#define MAX_REPLICAS 4096

/*
 * System calls a set can hold: the highest number of any table is below 512 (x86_64, kernel 6.18: 469). The second half
 * of the set is for 32-bit calls, which have numbers of their own; behind it are the operations of io_uring, by opcode.
 */
#define CALLS_PER_TABLE 512
#define URING_OPCODES	128 /* kernel 6.18 has 63; higher ones share the last bit */
#define CALL_WORDS	((2 * CALLS_PER_TABLE + URING_OPCODES) / 64)

/* Bytes of a path, as PATH_MAX in the kernel; and its components, which bounds the walk for the verifier. */
#define PATH_BYTES 4096
#define PATH_DEPTH 48

/* Bytes of one component with its final zero, as NAME_MAX in the kernel. */
#define NAME_BYTES 256

/* Bytes of an argument list; what is longer is cut and flagged. */
#define ARGUMENT_BYTES 4096

/*
 * Features of a kind that one replica can add in one window. Beyond it nothing more is stored, so that a container which
 * makes up a million names costs no other container anything.
 */
#define MAX_FILES      16384
#define MAX_CWDS       1024
#define MAX_PROCESSES  4096
#define MAX_ENDPOINTS  4096
#define MAX_PRIVILEGES 1024

/* Ports that somebody listens on, all replicas together; beyond, the one used longest ago is forgotten. */
#define MAX_LISTENING 16384

/* Threads that have just bound, connected or listened, and made no call since; beyond, the oldest is not looked at again. */
#define MAX_REVISITS 4096

/* Features that are remembered as stored, of all replicas together; when full, the one used longest ago is sent again. */
#define MAX_SEEN 131072

enum record_kind {
	RECORD_FILE = 0,
	RECORD_CWD = 1,
	RECORD_PROCESS = 2,
	RECORD_ENDPOINT = 3,
	RECORD_CREDENTIALS = 4,
	RECORD_PRIVILEGED_CALL = 5,
	FEATURE_KINDS = 6, /* the kinds above are counted per replica */
	RECORD_CGROUP_MADE = 6,
	RECORD_CGROUP_GONE = 7,
};

enum record_flag {
	FLAG_CUT = 1,	     /* the payload is longer than what fits */
	FLAG_UNREADABLE = 2, /* the payload could not be read; user space may know another way */
	FLAG_PSEUDO = 4,     /* a file without a path: a socket, a pipe, an anonymous inode */
	FLAG_INHERITED = 8,  /* a cgroup made below one that is watched; it shares its slot */
	FLAG_OUTSIDE = 16, /* a process whose parent is not of the replica: the runtime, an exec probe, kubectl exec */
	FLAG_MEMFD = 32,   /* a process whose program is a memfd */
	FLAG_DELETED = 64, /* a process whose program has no name any more */
};

enum node_count {
	NODE_CGROUPS_LOST = 0, /* cgroups made while the ring was full */
	NODE_SLOTS_LOST = 1,   /* cgroups made while every slot was taken */
	NODE_THREADS_LOST = 2, /* calls of threads whose id is above the pid_max of when the agent started */
	NODE_COUNTS = 3,
};

/* What is new in a window; followed by payload_bytes of payload. */
struct record {
	u64 ktime_ns;  /* CLOCK_MONOTONIC */
	u64 cgroup_id; /* of a cgroup record */
	u64 fs_magic;  /* of a file's superblock */
	u32 window;
	u32 tgid;
	u32 tid;
	u32 parent_tgid;
	u16 payload_bytes;
	u16 slot;
	u16 mode;   /* of a file's inode */
	u16 family; /* of a socket, else 0 */
	u8 kind;
	u8 flags;
	u8 zero[6];
	char comm[16];
	char parent_comm[16]; /* of a process */
};

/*
 * The payload of a file or cwd is its path, leaf first, each component with its final zero: "passwd\0etc\0". Of a
 * process: its argument list as /proc/PID/cmdline has it. Of a cgroup: its path. Of the other kinds: a struct below.
 */

/* The two ends of a socket of the internet families, as the kernel has them. */
struct endpoint {
	u8 remote[16]; /* IPv4 in the first four bytes; zeros: none */
	u16 remote_port;
	u16 local_port;
	u16 protocol; /* IPPROTO_* */
	u8 state;     /* as of TCP (include/net/tcp_states.h); UDP has ESTABLISHED or CLOSE */
	u8 type;      /* SOCK_* */
};

/* The two ends of a unix socket: struct sockaddr_un without its family; an abstract name begins with a zero. */
#define UNIX_NAME_BYTES 108
struct unix_endpoint {
	u16 own_bytes;
	u16 peer_bytes;
	u16 type;
	u16 zero;
	char own[UNIX_NAME_BYTES];
	char peer[UNIX_NAME_BYTES];
};

/* As whom a process runs: ids of the initial user namespace. */
struct credentials {
	u32 uid;
	u32 euid;
	u32 gid;
	u32 egid;
	u64 effective; /* capabilities in effect, a bit each */
};

/* A system call that may change what a process may do. */
struct privileged_call {
	u64 arguments[5]; /* those that matter, the others 0 */
	u32 index;	  /* as in a call set */
	u32 zero;
};

/*
 * The system calls of one replica in one window, on one CPU. Here and below a replica has two elements, one for windows of
 * even number and one for odd: user space empties the closed one while the kernel writes to the other.
 */
struct call_set {
	u64 events;
	u64 bits[CALL_WORDS];
};

/* How many records of each kind a replica stored, could not store for want of room, or left out because of a bound. */
struct replica_count {
	u32 stored[FEATURE_KINDS];
	u32 lost[FEATURE_KINDS];
	u32 truncated[FEATURE_KINDS];
	u32 zero;
};

/*
 * Which window is open, and how often every thread had to be looked at again. User space writes `window` and `changes` in
 * place (the map is mmapped), the kernel adds to `moves`: each number has one writer.
 */
struct control {
	u32 window;
	u32 changes; /* user space took a cgroup out of the watched ones, or put one in */
	u32 moves;   /* tasks were moved between cgroups */
	u32 zero;
};

/* What a system call asks of the probe besides its bit; written once by user space. */
#define TRAIT_FIRST_FD	 7  /* 1 + index of the argument that is a descriptor, 0: none */
#define TRAIT_SECOND_FD	 56 /* the same for a second one, shifted by 3 */
#define TRAIT_RESCAN	 64 /* cwd or credentials may differ afterwards */
#define TRAIT_PRIVILEGED 128
#define TRAIT_ADDRESSED	 512 /* the call may carry the address of a datagram */
#define TRAIT_CLOSES	 256 /* the descriptor may be another file afterwards */

/* Which arguments of a privileged call matter, and when; written once by user space. */
#define TAKE_POINTED 128 /* the first argument points at the flags that are meant */
struct call_interest {
	u8 take;   /* a bit for each argument that is recorded */
	u8 tested; /* the argument that is tested */
	u8 all;	   /* it matters if all of `wanted` are set, else if any is */
	u8 zero;
	u32 wanted; /* 0: it always matters */
	u32 kept;   /* of the tested argument these bits are recorded */
	u32 zero2;
};

struct call_traits {
	u16 of[2 * CALLS_PER_TABLE];
};

/* The replica of a cgroup. Provisional: user space has not yet said whether it is to be watched. */
struct cgroup_slot {
	u32 slot;
	u32 provisional;
};
