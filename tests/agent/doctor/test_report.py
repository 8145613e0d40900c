"""How findings are shown, summed up, and required."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import pytest
from rich.console import Console
from structlog.testing import CapturingLogger

from agent.doctor.command import exit_code, require
from agent.doctor.finding import Check, Finding, Outcome
from agent.doctor.report import as_json, show, summary
from kinwatch.errors import NodeError

KERNEL = Check(name="kernel", why="the ring buffer came with 5.8", fatal=True)
BTF = Check(name="btf", why="the probe is compiled against it", fatal=True)
CLOCK = Check(name="clock", why="windows begin by it")
KUBELET = Check(name="kubelet-address", why="it tells the pods")

WELL = KERNEL.ok("kernel 6.1")
SKIPPED = KUBELET.skipped("no kubelet is asked")
WARNED = CLOCK.warning("off by 8 s", remedy="run chronyd")
FAILED = KUBELET.failed("connection refused", remedy="start it")
FATAL = KERNEL.failed("kernel 4.19", remedy="run a newer one")
FATAL_TOO = BTF.failed("no BTF", remedy="mount it")


def shown(findings: Sequence[Finding]) -> str:
    console = Console(file=io.StringIO(), width=120)
    show(findings, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("findings", "code", "words"),
    [
        ([WELL, SKIPPED], 0, "1 ok, 1 skipped: the agent can run here."),
        ([WELL, WARNED], 0, "1 ok, 1 warning: the agent can run here."),
        ([WELL, FAILED], 3, "1 ok, 1 failed: the agent runs here, and something that it is there for does not work."),
        ([WARNED, FATAL], 3, "1 warning, 1 failed: the agent can't run here."),
    ],
)
def test_exit_code_and_summary(findings: list[Finding], code: int, words: str) -> None:
    assert exit_code(findings) == code
    assert summary(findings) == words


def test_table_has_what_was_found_why_it_matters_and_the_remedy() -> None:
    text = shown([WELL, WARNED, FATAL])
    assert all(fact in text for fact in ("kernel 6.1", "why: windows begin by it", "remedy: run chronyd"))
    assert "failed (fatal)" in text
    assert text.count("remedy:") == 2


def test_what_others_wrote_can_not_play_with_the_terminal() -> None:
    text = shown([KUBELET.failed("\x1b[2Jgone \u202e", remedy="[bold]no markup[/bold] \x07")])
    assert "\x1b[2J" not in text
    assert r"\x1b[2Jgone \u202e" in text
    assert r"[bold]no markup[/bold] \x07" in text


def test_json_has_every_field() -> None:
    document = json.loads(as_json([FATAL, SKIPPED], exit_code=3))
    assert document["exit_code"] == 3
    assert document["findings"] == [
        {
            "check": "kernel",
            "outcome": "failed",
            "found": "kernel 4.19",
            "why": "the ring buffer came with 5.8",
            "remedy": "run a newer one",
            "fatal": True,
        },
        {
            "check": "kubelet-address",
            "outcome": "skipped",
            "found": "no kubelet is asked",
            "why": "it tells the pods",
            "remedy": "",
            "fatal": False,
        },
    ]
    assert as_json([KERNEL.ok("Łódź\x1b")], exit_code=0).isascii()


def test_start_logs_what_is_not_well_and_goes_on() -> None:
    log = CapturingLogger()
    require([WELL, SKIPPED, WARNED, FAILED], log)
    assert [(call.method_name, call.args, call.kwargs["check"]) for call in log.calls] == [
        ("warning", ("check_warning",), "clock"),
        ("error", ("check_failed",), "kubelet-address"),
    ]
    assert log.calls[0].kwargs == {"check": "clock", "found": "off by 8 s", "remedy": "run chronyd"}


def test_start_stops_with_every_fatal_failure_and_its_remedy() -> None:
    log = CapturingLogger()
    with pytest.raises(NodeError) as raised:
        require([FATAL, WARNED, FATAL_TOO], log)
    assert raised.value.problem == "kernel 4.19 [kernel]; no BTF [btf]"
    assert raised.value.remedy == "run a newer one; mount it"
    assert raised.value.exit_code == 3
    assert len(log.calls) == 1


def test_fatal_check_that_was_skipped_or_warned_of_does_not_stop() -> None:
    require([KERNEL.skipped("?"), KERNEL.warning("?", remedy="?")], CapturingLogger())
    assert Outcome("skipped") is Outcome.SKIPPED
