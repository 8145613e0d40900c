"""
Run an aggregator beside a bench, as the process that a person would start: TLS, a token for each agent, SQLite.

Flow: **aggregator_beside** -> benches, tests. It can be killed and started again at the same address.
"""

from __future__ import annotations

import json
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import trustme

from kinwatch.errors import NodeError

COMMAND: Final = str(Path(sys.executable).with_name("aggregator"))
STARTING_S: Final = 60.0
ENDING_S: Final = 30.0
LOOK_S: Final = 0.02
ADDRESS: Final = "127.0.0.1"


class AggregatorBeside:
    """An aggregator; what it needs is in its folder, and what it stored in `data`."""

    def __init__(self, folder: Path, *, data: Path | None = None) -> None:
        self.data = data or folder / "data"
        self.ca_file = folder / "ca.crt"
        self.token_file = folder / "token"
        self.log_file = folder / "aggregator.log"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._port = _free_port()
        self._make_credentials()

    @property
    def url(self) -> str:
        """Its address."""
        return f"https://{ADDRESS}:{self._port}"

    @property
    def pid(self) -> int | None:
        """Its process, if it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def log(self) -> list[dict[str, Any]]:
        """What it has logged, in all its lives; the last line may be cut off by a SIGKILL."""
        lines = self.log_file.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def start(self) -> None:
        """Start it, and don't wait."""
        tls = ("--tls-cert", self._folder / "tls.crt", "--tls-key", self._folder / "tls.key")
        tokens = ("--tokens", self._folder / "tokens.yaml")
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [COMMAND, "serve", "--listen", f"{ADDRESS}:{self._port}", "--data-dir", self.data, *tls, *tokens],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def await_listening(self) -> None:
        """Wait until it answers; NodeError if it does not."""
        deadline = time.monotonic() + STARTING_S
        while not self._answers():
            if self.pid is None or time.monotonic() > deadline:
                raise NodeError(
                    f"the aggregator did not start:\n{self.log_file.read_text()}", remedy="do as it says above"
                )
            time.sleep(LOOK_S)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it by SIGTERM."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(ENDING_S)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((ADDRESS, self._port)) == 0

    def _make_credentials(self) -> None:
        ca = trustme.CA()
        ca.cert_pem.write_to_path(self.ca_file)
        leaf = ca.issue_cert(ADDRESS)
        (self._folder / "tls.crt").write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(self._folder / "tls.key")
        token = secrets.token_hex(32)
        self.token_file.write_text(token)
        tokens = self._folder / "tokens.yaml"
        tokens.touch(mode=0o600)
        tokens.write_text(json.dumps({"agents": [{"name": "bench", "node": "*", "token": token}]}))


@contextmanager
def aggregator_beside(folder: Path, *, data: Path | None = None) -> Iterator[AggregatorBeside]:
    """One that is not started yet, and is ended at the end."""
    aggregator = AggregatorBeside(folder, data=data)
    try:
        yield aggregator
    finally:
        if aggregator.pid is not None:
            aggregator.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port
