"""
Lay out a root file system from the node's static BusyBox, so that no image registry is needed.

Flow: **rootfs** -> containers. About 2 MB; the attacker's targets, such as /etc/shadow, hold made-up content.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from kinwatch.errors import NodeError

FOLDERS = ("bin", "dev", "etc", "proc", "root", "srv", "tmp", "usr", "var/log")
INTERPRETER_MARK = b"/ld-"
"""In the head of each ELF file that asks for a dynamic loader, such as /lib64/ld-linux-x86-64.so.2."""
ELF_HEAD_BYTES = 4096
ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nshop:x:1000:1000::/srv:/bin/sh\n",
    "group": "root:x:0:\nshop:x:1000:\n",
    "shadow": "root:$6$made.up$nothing:19700:0:99999:7:::\nshop:!:19700:0:99999:7:::\n",
    "hosts": "127.0.0.1 localhost\n",
}


def busybox() -> Path:
    """The node's static BusyBox; raises NodeError where there is none, or one that needs shared libraries."""
    found = shutil.which("busybox")
    if found is None:
        problem = "there is no busybox on this node"
        raise NodeError(problem, remedy="install the package busybox-static, or run `make install`")
    path = Path(found).resolve()
    with path.open("rb") as file:
        if INTERPRETER_MARK in file.read(ELF_HEAD_BYTES):
            problem = f"{path} needs shared libraries, which the containers don't have"
            raise NodeError(problem, remedy="install the package busybox-static in its place")
    return path


def lay_out(target: Path) -> Path:
    """Make a root file system at `target`, which must not exist: BusyBox under all its names, a small /etc."""
    program = busybox()
    for folder in FOLDERS:
        (target / folder).mkdir(parents=True)
    shutil.copy2(program, target / "bin/busybox")
    for applet in _applets(program):
        (target / "bin" / applet).symlink_to("busybox")
    for name, content in ETC.items():
        (target / "etc" / name).write_text(content)
    (target / "etc/shadow").chmod(0o640)
    return target


def _applets(program: Path) -> list[str]:
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True, timeout=10)
    return [name for name in listed.stdout.split() if name != "busybox"]
