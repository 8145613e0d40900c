"""
Run the agent and the aggregator as a person would, from the venv's own bin.

Flow: traffic -> **programs** -> stage. Takes the agent's JSON lines, gives the aggregator's verdicts.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from kinwatch.errors import NodeError

BIN = Path(sys.executable).parent
CLOSING_TIMEOUT_S = 20.0
"""How long the agent may take to close its window and end after SIGINT."""
JUDGING_TIMEOUT_S = 60.0
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""A killed demo can't end its agent, which would hold the node; so the kernel does. From util-linux."""


def agent_options(*, cgroup: str, cohort: str, window_s: int, windows: int) -> list[str]:
    """What the agent is asked: to watch the cgroups that match, as replicas of one cohort, and to print JSON lines."""
    options = {"--format": "json", "--window": window_s, "--windows": windows, "--cgroup": cgroup, "--cohort": cohort}
    return ["--dry-run", *(str(word) for pair in options.items() for word in pair)]


@contextmanager
def agent(options: Sequence[str], *, notes: Path) -> Iterator[Iterator[str]]:
    """
    Start the agent; gives its lines as they come, which end when it has seen its windows.

    What it says on standard error goes to `notes`. Raises NodeError with it if the agent ends with an error.
    """
    with notes.open("wb") as file:
        process = subprocess.Popen(
            [*_leash(), BIN / "agent", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
    try:
        yield iter(_pipe(process))
        code = process.wait(CLOSING_TIMEOUT_S)
    finally:
        _end(process)
    if code != 0:
        _fail("agent", code=code, said=notes.read_text(errors="replace"))


def _leash() -> tuple[str, ...]:
    return DIES_WITH_US if shutil.which(DIES_WITH_US[0]) else ()


def _pipe(process: subprocess.Popen[str]) -> IO[str]:
    if process.stdout is None:
        message = "the agent was started without a pipe"
        raise AssertionError(message)
    return process.stdout


def _end(process: subprocess.Popen[str]) -> None:
    """End the agent if it still runs: kindly first; what it prints then is no longer read."""
    _pipe(process).close()
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(CLOSING_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def judge(lines: Sequence[str]) -> str:
    """The aggregator's verdicts on the agent's lines, as JSON lines; raises NodeError if it fails."""
    return _score(lines, form="json", stdout=subprocess.PIPE)


def show(lines: Sequence[str]) -> None:
    """Let the aggregator print its verdicts on our standard output, as wide as that is."""
    sys.stdout.flush()
    _score(lines, form="table", stdout=None)


def _score(lines: Sequence[str], *, form: str, stdout: int | None) -> str:
    done = subprocess.run(
        [BIN / "aggregator", "score", "-", "--profile", "kinwatch", "--format", form],
        input="".join(lines),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=JUDGING_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        _fail("aggregator", code=done.returncode, said=done.stderr)
    return done.stdout or ""


def named(verdicts: str) -> frozenset[str]:
    """The replicas that verdict lines call anomalous, by the last component of their cgroup."""
    judged = [json.loads(line) for line in verdicts.splitlines()]
    return frozenset(
        _name(replica["replica"]) for verdict in judged for replica in verdict["replicas"] if replica["anomalous"]
    )


def _name(replica: dict[str, Any]) -> str:
    return str(replica["cgroup"]).rpartition("/")[2]


def _fail(program: str, *, code: int, said: str) -> None:
    problem = f"the {program} ended with exit code {code}:\n{said.strip() or '(without a word)'}"
    raise NodeError(problem, remedy=f"do as the {program} says above")
