"""
An empty raw tracepoint on sys_enter: the least that any watcher by eBPF can cost.

Flow: beside attachments. `python -m bench.empty` attaches it, says `ready`, and holds it until SIGINT.
"""

from __future__ import annotations

import os
import signal
import sys

from agent.memory import give_back
from agent.program import BPF_FOLDER

TEXT = """
#include <linux/types.h>
#include <uapi/linux/ptrace.h>
int on_sys_enter(struct bpf_raw_tracepoint_args *ctx) { return 0; }
"""


def main() -> None:
    """Attach, and wait."""
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    os.environ["BCC_KERNEL_SOURCE"] = str(BPF_FOLDER)
    from bcc import BPF  # noqa: PLC0415 - it reads the environment as it is imported

    bpf = BPF(text=TEXT)
    bpf.attach_raw_tracepoint(tp=b"sys_enter", fn_name=b"on_sys_enter")
    give_back()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
