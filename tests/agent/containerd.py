"""A containerd of our own, with folders of its own, never the node's, and its program `ctr`."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PATIENCE_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Cli:
    """A runtime's own program, with the options that come before the subcommand."""

    command: tuple[str, ...]

    def __call__(self, *arguments: str) -> str:
        """What a subcommand writes; it must end well."""
        done = subprocess.run(
            [*self.command, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cli]:
    """
    A containerd whose state is the folder `state`, by way of ctr; its containers end with it.

    A socket's path has 107 characters at most: `folder` wants a short name.
    """
    if shutil.which("containerd") is None:
        pytest.skip("needs containerd")
    state = folder / "state"
    (folder / "config.toml").write_text(
        f'version = 2\nroot = "{folder}/root"\nstate = "{state}"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[grpc]\naddress = "{state}/containerd.sock"\n'
    )
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(["containerd", "--config", folder / "config.toml"], stdout=log, stderr=log)
    cli = Cli(command=("ctr", "--address", f"{state}/containerd.sock", "--namespace", "kinwatch-test"))
    try:
        cli("--connect-timeout", f"{PATIENCE_S:.0f}s", "version")
        yield cli
    finally:
        for name in cli("tasks", "ls", "--quiet").split():
            cli("tasks", "delete", "--force", name)
        daemon.terminate()
        daemon.wait(timeout=PATIENCE_S)
