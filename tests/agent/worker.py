"""
Do as told inside a cgroup, and nothing else.

Started by `ground`: takes a program as JSON on its standard input, says that it is ready, and waits in a read() while
the caller moves it into the cgroup. So the first system call that is made in there is the program's.
"""

# ruff: noqa: F401 - imported before the move, so that importing is no part of what is watched
import ctypes
import json
import mmap
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

task = json.loads(sys.stdin.buffer.readline())
names = {**globals(), "__name__": "task", **task["names"]}
code = compile(task["program"], "task", "exec")
os.write(1, b"ready\n")
os.read(0, 1)
exec(code, names)  # noqa: S102 - that is what it is for
os._exit(0)
