"""
What is fixed in version 1 of the schema; docs/wire.md has the whole of it.

Flow: beside **wire**, for its writer and its reader. Nothing here changes when the words of the domain do: a further
aspect is a further version.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from kinwatch.aspects import Aspect

VERSION: Final = 1

ASPECTS: Final = (
    Aspect.SYSCALLS,
    Aspect.SYSCALL_CATEGORIES,
    Aspect.DIRECTORIES,
    Aspect.FILENAMES,
    Aspect.FILE_OPERATIONS,
    Aspect.PROCESSES,
    Aspect.COMMANDS,
    Aspect.CWDS,
    Aspect.ARGUMENTS,
    Aspect.EXECUTABLES,
    Aspect.ENDPOINTS,
    Aspect.URING_OPERATIONS,
    Aspect.PRIVILEGES,
)
"""By their place in a snapshot."""

REPLICA: Final = ("namespace", "pod", "pod_uid", "container", "container_id", "role", "cgroup")
WORKLOAD: Final = ("kind", "name", "revision")
"""The strings of a replica, by their place; those of its workload follow."""

STRING_END: Final = b"\xff"
"""No byte of UTF-8."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST_START_MS: Final = 253_370_764_800_000
"""The first moment of the year 9999: the end of a window still has a date."""
LONGEST_MS: Final = 3_600_000
"""An hour; agents have windows of 1 to 600 s."""
LONGEST_S: Final = 86_400.0 * 366
"""As in a JSON line: nobody watched a window for longer than a year."""
HIGHEST: Final = 2**63 - 1
"""Of a count or a sequence: what SQL's bigint holds."""
NODE_BYTES: Final = 253
"""Of a node's name: a DNS subdomain (RFC 1123), as Kubernetes has it."""
