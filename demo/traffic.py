"""
Visit the replicas over HTTP: the same visitors for all of them, and an attacker for one.

Flow: shop -> **traffic** -> agent. Each replica has its own network namespace, so a visitor is a thread that has
entered it; nothing runs inside the container but what the shop itself starts.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from types import TracebackType
from typing import Self

from demo.shop import PORT, search_path
from kinwatch.errors import NodeError

CLONE_NEWNET = 0x40000000
"""linux/sched.h"""
ANSWER_TIMEOUT_S = 10.0
STARTUP_TIMEOUT_S = 10.0
STARTUP_RETRY_S = 0.02
TICK_S = 0.1
"""Between two requests; a round of all of them takes under a second, so that each window holds several rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to the shop: GET, or POST where it has a form."""

    path: str
    form: str | None = None


ROUND = (
    Request(path="/"),
    Request(path="/style.css"),
    Request(path=search_path("chair")),
    Request(path="/about.html"),
    Request(path=search_path("lamp")),
    Request(path="/cgi-bin/order", form="item=1004&count=2"),
    Request(path="/favicon.ico"),
)
"""What visitors do, over and over. The last is a 404, as in every shop."""

ATTACK = (
    "id",
    "cat /etc/shadow",
    "ls -la /",
    "printf '#!/bin/sh\\nuname -a\\nps\\n' > /tmp/.x; chmod 755 /tmp/.x; /tmp/.x",
)
"""What the attacker makes the search run: who am I, the password hashes, a look around, a script of one's own."""


def injected(command: str) -> Request:
    """The search that runs a shell command: `;` ends the shop's own grep, `#` hides the rest."""
    return Request(path=search_path(f"chair /srv/catalogue.txt; {command} #"))


class Visitor:
    """Somebody inside the network namespace of one process, asking the shop there; one request at a time."""

    def __init__(self, *, pid: int) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, initializer=_enter_network_of, initargs=(pid,))

    def ask(self, request: Request) -> Future[str]:
        """The body of the answer, whatever its status; the future raises OSError where nobody answers."""
        return self._thread.submit(_answer, request)

    def wait_for_shop(self) -> None:
        """Wait until the shop answers; raises NodeError if it doesn't in time."""
        deadline = time.monotonic() + STARTUP_TIMEOUT_S
        while True:
            try:
                self.ask(ROUND[0]).result()
            except OSError as error:
                if time.monotonic() > deadline:
                    problem = f"the shop does not answer: {error}"
                    raise NodeError(problem, remedy="see whether BusyBox's httpd runs on this node") from error
                time.sleep(STARTUP_RETRY_S)
            else:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)


def _enter_network_of(pid: int) -> None:
    """Move this thread, and no other, into the network namespace of a process."""
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)  # os.setns is there from Python 3.12 on
        if libc.setns(namespace, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns: entering a network namespace")
    finally:
        os.close(namespace)


def _answer(request: Request) -> str:
    connection = HTTPConnection("127.0.0.1", PORT, timeout=ANSWER_TIMEOUT_S)
    try:
        method = "GET" if request.form is None else "POST"
        connection.request(method, request.path, body=request.form)
        return connection.getresponse().read().decode(errors="replace")
    except HTTPException as error:
        message = f"the answer to {request.path} is not HTTP: {error}"
        raise ConnectionError(message) from error
    finally:
        connection.close()


class Load:
    """The same requests to every visitor's replica, in step, until it is stopped; `with` starts and stops it."""

    def __init__(self, visitors: Sequence[Visitor]) -> None:
        self._visitors = visitors
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._visit, name="load")
        self.failure: OSError | None = None
        """Why it stopped by itself, if it did."""

    def _visit(self) -> None:
        try:
            for request in cycle(ROUND):
                answers = [visitor.ask(request) for visitor in self._visitors]
                wait(answers)
                for answer in answers:
                    answer.result()
                if self._stopped.wait(TICK_S):
                    return
        except OSError as error:
            self.failure = error

    def wait(self, *, timeout_s: float) -> None:
        """Wait until it stops by itself, or the time is up."""
        self._thread.join(timeout_s)

    def check(self) -> None:
        """Raise NodeError if the load stopped by itself: the replicas then did not do the same."""
        if self.failure is not None:
            problem = f"a replica stopped answering: {self.failure}"
            raise NodeError(problem, remedy="run it again on a machine with less to do") from self.failure

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
