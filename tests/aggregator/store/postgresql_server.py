"""
The distribution's PostgreSQL, in a temporary folder, for the time of the tests.

It is reached by a socket in that folder only. It refuses to run as root, and so runs as another user. It would lose
what a loss of power takes: fsync is off.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import psycopg

USER = "kinwatch"
PASSWORD = "not a secret"  # noqa: S105 - it says so
START_TIMEOUT_S = 30
SMALL_MIB = 24
"""Size of the disk `small`: a fresh database takes 8 MiB of it."""


def hindrance() -> str | None:
    """Why no server can be started here; None if one can."""
    if _programs() is None:
        return "needs the package postgresql"
    if shutil.which("setpriv") is None:
        return "needs setpriv, of the package util-linux"
    if os.geteuid() == 0 and _unprivileged() is None:
        return "needs the user postgres, of the package postgresql-common"
    return None


def _programs() -> Path | None:
    """The folder of initdb and postgres: the newest where there are several."""
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    found = [folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()]
    return max(found, key=lambda folder: float(folder.parent.name), default=None)


def _unprivileged() -> pwd.struct_passwd | None:
    return next((user for user in pwd.getpwall() if user.pw_name == "postgres"), None)


class PostgresqlServer:
    """A server of our own."""

    def __init__(self, *, small_disk: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kinwatch-pg-"))
        programs = _programs()
        assert programs is not None
        self._programs = programs
        self._mount = small_disk
        self._process: subprocess.Popen[bytes] | None = None
        (self.folder / "password").write_text(PASSWORD)
        (self.folder / "small").mkdir()
        self._give_away(self.folder, self.folder / "password", self.folder / "small")
        self._initdb()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def start(self, *, fsync: str = "off") -> None:
        """Start it, and wait until it answers."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "fsync": fsync,
            "max_connections": "20",
            "shared_buffers": "16MB",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = self._command("postgres", "-D", str(self.folder / "data"), *options)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._await_answer()

    def stop(self) -> None:
        """Stop it: sessions are ended, as `systemctl restart postgresql` does it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(START_TIMEOUT_S)

    def url(self, database: str, *, user: str = USER, password: str = PASSWORD) -> str:
        """The URL of a database."""
        return f"postgresql://{user}:{password.replace(' ', '%20')}@/{database}?host={self.folder}"

    def new_database(self, name: str, *, options: str = "") -> str:
        """Make a database; its URL."""
        self.execute(f"CREATE DATABASE {name} {options}")
        return self.url(name)

    def execute(self, statement: str, *, database: str = "postgres") -> None:
        """Do something to the server."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.url("postgres")).close()
                return
            assert self._process is not None
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.01)

    def _initdb(self) -> None:
        folder = str(self.folder / "data")
        password = f"--pwfile={self.folder / 'password'}"
        command = self._command("initdb", "-D", folder, "-U", USER, "--auth=scram-sha-256", password, "--no-sync")
        subprocess.run([*command, "--encoding=UTF8", "--locale=C.UTF-8"], check=True, capture_output=True)

    def _command(self, program: str, *arguments: str) -> list[str]:
        """A program of PostgreSQL as a user that isn't root; it ends with us, however we end."""
        privileges = ["--pdeathsig", "INT"]
        user = _unprivileged()
        if os.geteuid() == 0 and user is not None:
            privileges += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        command = ["setpriv", *privileges, str(self._programs / program), *arguments]
        return [*self._on_small_disk(), *command] if self._mount and program == "postgres" else command

    def _on_small_disk(self) -> list[str]:
        """Start in a mount namespace of its own, with a small disk on `small`."""
        user = _unprivileged()
        owner = f"uid={user.pw_uid},gid={user.pw_gid}" if user else ""
        mount = f"mount -t tmpfs -o size={SMALL_MIB}m,mode=700,{owner} none {self.folder / 'small'}"
        return ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"]

    def _give_away(self, *paths: Path) -> None:
        user = _unprivileged()
        if os.geteuid() == 0 and user is not None:
            for path in paths:
                os.chown(path, user.pw_uid, user.pw_gid)
