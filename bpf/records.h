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

/* Replicas watched at once, slot 0 being "not watched". A kubelet runs 110 pods by default and is tested with 500. */
#define MAX_REPLICAS 1024

/*
 * System calls a set can hold: the highest number of any table is below 512 (x86_64, kernel 6.18: 469). The second half
 * of the set is for 32-bit calls, which have numbers of their own.
 */
#define CALLS_PER_TABLE 512
#define CALL_WORDS (2 * CALLS_PER_TABLE / 64)

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
#define MAX_FILES 16384
#define MAX_CWDS 1024
#define MAX_PROCESSES 4096

/* Features that are remembered as stored, of all replicas together; when full, the one used longest ago is sent again. */
#define MAX_SEEN 131072

enum record_kind {
	RECORD_FILE = 0,
	RECORD_CWD = 1,
	RECORD_PROCESS = 2,
	FEATURE_KINDS = 3, /* the kinds above are counted per replica */
	RECORD_CGROUP_MADE = 3,
	RECORD_CGROUP_GONE = 4,
};

enum record_flag {
	FLAG_CUT = 1,	     /* the payload is longer than what fits */
	FLAG_UNREADABLE = 2, /* the payload could not be read; user space may know another way */
	FLAG_PSEUDO = 4,     /* a file without a path: a socket, a pipe, an anonymous inode */
	FLAG_INHERITED = 8,  /* a cgroup made below one that is watched; it shares its slot */
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
};

/*
 * The payload of a file or cwd is its path, leaf first, each component with its final zero: "passwd\0etc\0". Of a
 * process: its argument list as /proc/PID/cmdline has it. Of a cgroup: its path.
 */

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
#define TRAIT_FIRST_FD 7    /* 1 + index of the argument that is a descriptor, 0: none */
#define TRAIT_SECOND_FD 56  /* the same for a second one, shifted by 3 */
#define TRAIT_RESCAN 64     /* comm, cwd or cgroup may differ afterwards */

struct call_traits {
	u8 of[2 * CALLS_PER_TABLE];
};

/* The replica of a cgroup. Provisional: user space has not yet said whether it is to be watched. */
struct cgroup_slot {
	u32 slot;
	u32 provisional;
};
