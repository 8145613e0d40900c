"""
Give back the memory that compiling the probe took.

Flow: after **probe** was loaded. The compiler is used once; its libraries would stay in memory as long as the agent.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MADV_PAGEOUT: Final = 21
"""Write back and drop what is clean or can be read again (madvise(2), Linux 5.4); a page that is touched comes back."""
_COMPILER: Final = re.compile(r"/lib(LLVM|clang)[^/]*$")
_MAPPING: Final = re.compile(r"(?P<start>[0-9a-f]+)-(?P<end>[0-9a-f]+) (?P<mode>\S{4}) \S+ \S+ \d+\s*(?P<path>.*)")


def give_back() -> None:
    """Hand freed heap and the compiler's pages to the kernel; where it refuses, nothing is lost but memory."""
    libc = ctypes.CDLL(None)
    libc.malloc_trim(0)
    for start, length in compiler_mappings(Path("/proc/self/maps").read_text(encoding="utf-8")):
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), _MADV_PAGEOUT)


def compiler_mappings(maps: str) -> Iterator[tuple[int, int]]:
    """Start and length of each mapping of the compiler's libraries that nothing was written to, from /proc/PID/maps."""
    for line in maps.splitlines():
        mapping = _MAPPING.match(line)
        if mapping and "w" not in mapping["mode"] and _COMPILER.search(mapping["path"]):
            start = int(mapping["start"], 16)
            yield start, int(mapping["end"], 16) - start
