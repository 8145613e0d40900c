"""
Name the operations of io_uring.

Flow: probe -> **drain** -> window; the part of drain that knows io_uring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OPERATIONS: Final = tuple(
    """
    nop readv writev fsync read_fixed write_fixed poll_add poll_remove sync_file_range sendmsg recvmsg timeout
    timeout_remove accept async_cancel link_timeout connect fallocate openat close files_update statx read write fadvise
    madvise send recv openat2 epoll_ctl splice provide_buffers remove_buffers tee shutdown renameat unlinkat mkdirat
    symlinkat linkat msg_ring fsetxattr setxattr fgetxattr getxattr socket uring_cmd send_zc sendmsg_zc read_multishot
    waitid futex_wait futex_wake futex_waitv fixed_fd_install ftruncate bind listen recv_zc epoll_wait readv_fixed
    writev_fixed pipe
    """.split()
)
"""In the order of their opcodes, which never change (include/uapi/linux/io_uring.h, enum io_uring_op, kernel 6.18)."""


def names(of_kernel: Mapping[str, int]) -> dict[int, str]:
    """
    Opcode → name: those that are known here, and those that this kernel has beyond.

    Takes the kernel's enumerators, which have no name to be found by before kernel 5.18 or so.
    """
    newer = {value: name.removeprefix("IORING_OP_").lower() for name, value in of_kernel.items()}
    return newer | dict(enumerate(OPERATIONS))
