"""
Say which system calls change what a process may do, and put credentials and such calls into words.

Flow: **privileges** -> probe, before; probe -> **drain** -> window, after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from agent.records import CALLS_PER_TABLE, TAKE_POINTED, CallInterest, Credentials, PrivilegedCall, Record
from agent.syscalls import SyscallTable

Words = Mapping[int, str]

_NAMESPACES: Final[Words] = {
    0x00000080: "newtime",
    0x00020000: "newns",
    0x02000000: "newcgroup",
    0x04000000: "newuts",
    0x08000000: "newipc",
    0x10000000: "newuser",
    0x20000000: "newpid",
    0x40000000: "newnet",
}
"""CLONE_NEW* (include/uapi/linux/sched.h)."""
_CLONE: Final = {flag: word for flag, word in _NAMESPACES.items() if word != "newtime"}
"""For clone, where the lowest byte is a signal."""
_PROTECTION: Final[Words] = {2: "write", 4: "exec"}
"""PROT_* (include/uapi/asm-generic/mman-common.h)."""
_MOUNT: Final[Words] = {
    1: "rdonly",
    2: "nosuid",
    4: "nodev",
    8: "noexec",
    32: "remount",
    4096: "bind",
    8192: "move",
    16384: "rec",
    1 << 17: "unbindable",
    1 << 18: "private",
    1 << 19: "slave",
    1 << 20: "shared",
}
"""MS_* (include/uapi/linux/mount.h)."""
_PTRACE: Final[Words] = {
    0: "traceme",
    1: "peektext",
    2: "peekdata",
    3: "peekuser",
    4: "poketext",
    5: "pokedata",
    6: "pokeuser",
    7: "cont",
    8: "kill",
    9: "singlestep",
    12: "getregs",
    13: "setregs",
    16: "attach",
    17: "detach",
    24: "syscall",
    0x4200: "setoptions",
    0x4204: "getregset",
    0x4205: "setregset",
    0x4206: "seize",
    0x4207: "interrupt",
}
"""PTRACE_* (include/uapi/linux/ptrace.h)."""
_BPF: Final[Words] = dict(
    enumerate(
        """
        map_create map_lookup_elem map_update_elem map_delete_elem map_get_next_key prog_load obj_pin obj_get
        prog_attach prog_detach prog_test_run prog_get_next_id map_get_next_id prog_get_fd_by_id map_get_fd_by_id
        obj_get_info_by_fd prog_query raw_tracepoint_open btf_load btf_get_fd_by_id task_fd_query
        map_lookup_and_delete_elem map_freeze btf_get_next_id map_lookup_batch map_lookup_and_delete_batch
        map_update_batch map_delete_batch link_create link_update link_get_fd_by_id link_get_next_id enable_stats
        iter_create link_detach prog_bind_map token_create
        """.split()
    )
)
"""BPF_* commands (include/uapi/linux/bpf.h, enum bpf_cmd)."""
CAPABILITIES: Final = tuple(
    """
    chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service
    net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin
    sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override
    mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore
    """.split()
)
"""Capabilities in the order of their bits (include/uapi/linux/capability.h)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """What of a call's arguments matters."""

    argument: int | None = None
    """The argument that is recorded."""
    flags: Words | None = None
    """Words for its bits."""
    values: Words | None = None
    """Words for its value."""
    wanted: int = 0
    """It matters only where these bits are set; 0: always."""
    is_all: bool = False
    """All of `wanted` must be set, not any of it."""
    is_pointed: bool = False
    """The flags are where the first argument points at."""


_NAMESPACE_FLAGS: Final = Interest(argument=0, flags=_NAMESPACES, wanted=sum(_NAMESPACES))
_EXECUTABLE: Final = Interest(argument=2, flags=_PROTECTION, wanted=4)
_WRITABLE_AND_EXECUTABLE: Final = Interest(argument=2, flags=_PROTECTION, wanted=6, is_all=True)
_ALWAYS: Final = Interest()

CALLS: Final[Mapping[str, Interest]] = {
    "unshare": _NAMESPACE_FLAGS,
    "setns": Interest(argument=1, flags=_NAMESPACES),
    "clone": Interest(argument=0, flags=_CLONE, wanted=sum(_CLONE)),
    "clone3": Interest(argument=0, flags=_NAMESPACES, wanted=sum(_NAMESPACES), is_pointed=True),
    "ptrace": Interest(argument=0, values=_PTRACE),
    "mount": Interest(argument=3, flags=_MOUNT),
    "bpf": Interest(argument=0, values=_BPF),
    "mprotect": _EXECUTABLE,
    "pkey_mprotect": _EXECUTABLE,
    "mmap": _WRITABLE_AND_EXECUTABLE,
    "mmap2": _WRITABLE_AND_EXECUTABLE,
} | dict.fromkeys(
    """
    chroot delete_module finit_module fsmount fsopen init_module ioperm iopl kexec_file_load kexec_load mount_setattr
    move_mount open_tree perf_event_open pidfd_getfd pivot_root process_vm_readv process_vm_writev umount umount2
    userfaultfd
    """.split(),
    _ALWAYS,
)
"""
System call → what of it matters. Loaders map code from files without PROT_WRITE, so `mprotect exec` is memory that was,
or could have been, written to: what JIT compilers do, and shellcode.
"""

CHANGE_CREDENTIALS: Final = frozenset(
    """
    capset setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid
    setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32
    """.split()
)
"""Calls after which a thread's credentials are looked at again."""


def interests_of(table: SyscallTable) -> dict[int, CallInterest]:
    """Bit of a call set → what the probe is told of it, for each privileged call of the node's tables."""
    native = {number: CALLS[name] for number, name in table.names.items() if name in CALLS}
    compat = {
        number + CALLS_PER_TABLE: CALLS[name]
        for number, name in table.compat_names.items()
        if name in CALLS and name != "mmap"  # it is given its arguments in memory
    }
    return {bit: _c_interest(interest) for bit, interest in (native | compat).items() if bit < 2 * CALLS_PER_TABLE}


def _c_interest(interest: Interest) -> CallInterest:
    taken = 0 if interest.argument is None else 1 << interest.argument
    kept = sum(interest.flags or {}) if interest.flags else interest.wanted
    return CallInterest(
        take=taken | (TAKE_POINTED if interest.is_pointed else 0),
        tested=interest.argument or 0,
        all=interest.is_all,
        wanted=interest.wanted,
        kept=kept,
    )


def privileged_call(record: Record, table: SyscallTable) -> Iterator[str]:
    """A privileged call in words: `unshare newuser newns`, `ptrace attach`, `mprotect exec`, `init_module`."""
    call = PrivilegedCall.from_buffer_copy(record.payload)
    compat, number = divmod(call.index, CALLS_PER_TABLE)
    name = table.compat_name(number) if compat else table.name(number)
    interest = CALLS.get(name, _ALWAYS)
    value = 0 if interest.argument is None else int(call.arguments[interest.argument])
    yield " ".join([name, *_words(value, interest)])


def _words(value: int, interest: Interest) -> list[str]:
    if interest.values is not None:
        return [interest.values.get(value, str(value))]
    return [word for flag, word in (interest.flags or {}).items() if value & flag]


def credentials(record: Record) -> Iterator[str]:
    """
    As whom a process runs: `as 33:33` (uid:gid), `as 33:33 effectively 0:0` where they differ, `capabilities net_raw`.

    The capabilities in effect are one feature together, so that one more makes another set and not one more of many.
    """
    found = Credentials.from_buffer_copy(record.payload)
    real, effective = f"{found.uid}:{found.gid}", f"{found.euid}:{found.egid}"
    yield f"as {real}" if real == effective else f"as {real} effectively {effective}"
    names = [_capability(bit) for bit in range(found.effective.bit_length()) if found.effective >> bit & 1]
    yield f"capabilities {','.join(names) or 'none'}"


def _capability(bit: int) -> str:
    return CAPABILITIES[bit] if bit < len(CAPABILITIES) else str(bit)
