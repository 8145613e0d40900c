"""Start `aggregator serve` as a person does, and talk to it."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
import urllib3

MEDIA_TYPE = "application/vnd.kinwatch.batch"
PATIENCE_S = 20.0
HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent


def wait_for(condition: Callable[[], Any], what: str, *, within_s: float = PATIENCE_S) -> Any:
    """What a condition gives, once it gives something."""
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {within_s:g} s for {what}")


@dataclass(frozen=True)
class _Tokens:
    """Those in the file."""

    a: str = "a" * 32
    b: str = "b" * 32
    any: str = "c" * 32
    reader: str = "d" * 32

    def written(self, folder: Path) -> Path:
        file = folder / "tokens.yaml"
        file.write_text(
            f"agents:\n  - {{name: a, node: node-a, token: {self.a}}}\n  - {{name: b, node: node-b, token: {self.b}}}\n"
            f'  - {{name: any, node: "*", token: {self.any}}}\nreaders:\n  - {{name: reader, token: {self.reader}}}\n'
        )
        file.chmod(0o600)
        return file


TOKENS = _Tokens()


def written(folder: Path, authority: trustme.CA) -> list[str]:
    """A certificate for loopback in files, and the options that name them."""
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    (folder / "tls.crt").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    (folder / "tls.key").write_bytes(certificate.private_key_pem.bytes())
    return ["--tls-cert", str(folder / "tls.crt"), "--tls-key", str(folder / "tls.key")]


class Running:
    """A server that runs."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        log: Path,
        ca: trustme.CA | None,
        *,
        shows: trustme.LeafCert | None = None,
    ) -> None:
        """`shows` is the client's own certificate."""
        self.process, self.log = process, log
        self.context: ssl.SSLContext | None = None
        if ca is not None:
            self.context = ssl.create_default_context()
            ca.configure_trust(self.context)
            if shows is not None:
                shows.configure_cert(self.context)
        self.port = int(self.event("listening")["address"].rpartition(":")[2])
        self.url = f"{'https' if ca else 'http'}://127.0.0.1:{self.port}"
        self.pool = urllib3.PoolManager(ssl_context=self.context, retries=False, timeout=PATIENCE_S, maxsize=16)

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of the log with this event."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def event(self, name: str) -> dict[str, Any]:
        """The last of them, once there is one."""

        def found() -> list[dict[str, Any]]:
            assert self.process.poll() is None or self.events(name), self.log.read_text()
            return self.events(name)

        return dict(wait_for(found, f"the event {name}")[-1])

    def ask(self, method: str, path: str, **of_urllib3: Any) -> urllib3.BaseHTTPResponse:
        return self.pool.request(method, self.url + path, **of_urllib3)

    def post(self, body: bytes, *, token: str | None = None, **headers: str) -> urllib3.BaseHTTPResponse:
        """Send a batch."""
        known = {"Authorization": f"Bearer {token}"} if token else {}
        return self.ask("POST", "/v1/batches", body=body, headers={"Content-Type": MEDIA_TYPE, **known, **headers})

    def get(self, path: str, *, token: str | None = None) -> urllib3.BaseHTTPResponse:
        return self.ask("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})

    def connection(self) -> socket.socket:
        """A connection, to say on it what no client would."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        return self.context.wrap_socket(plain, server_hostname="localhost") if self.context else plain

    def metric(self, name: str) -> float:
        """The value of a metric, its labels as they stand in the text."""
        lines = self.get("/metrics").data.decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == name), 0.0)

    def rss_mib(self) -> int:
        """Memory at its highest."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) >> 10

    def stop(self) -> int:
        """Have it end by SIGTERM; its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


@contextlib.contextmanager
def serving(
    folder: Path, *options: str, ca: trustme.CA | None = None, patch: str = "", wrap: tuple[str, ...] = ()
) -> Iterator[Running]:
    """A server with its data in `folder`; `patch` is Python that it runs first, such as to be less patient."""
    program = f"import sys\n{patch}\nfrom aggregator.main import run\nsys.exit(run())"
    data = ["--data-dir", str(folder / "data"), "--listen", "127.0.0.1:0"]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*wrap, sys.executable, "-c", program, "serve", *data, *options], stderr=output, cwd=ROOT
        )
    try:
        yield Running(process, log, ca)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(PATIENCE_S)
