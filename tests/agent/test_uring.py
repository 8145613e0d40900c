"""io_uring's operations have the names that the kernel gives them, also on a kernel that does not say."""

from __future__ import annotations

import pytest

from agent.btf import VMLINUX, Btf
from agent.uring import OPERATIONS, names


@pytest.mark.skipif(not VMLINUX.exists(), reason="this kernel tells no types")
def test_names_are_those_of_this_kernel() -> None:
    """As far as it has them."""
    of_kernel = Btf.read().enumerators("io_uring_op")
    of_kernel.pop("IORING_OP_LAST", None)
    for name, opcode in of_kernel.items():
        if opcode < len(OPERATIONS):
            assert f"IORING_OP_{OPERATIONS[opcode].upper()}" == name


def test_operation_that_is_newer_than_the_list_has_the_kernels_name() -> None:
    assert names({"IORING_OP_TELEPORT": 99})[99] == "teleport"
    assert names({})[22] == "read"
