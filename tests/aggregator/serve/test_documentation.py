"""docs/api.md names what there is."""

from __future__ import annotations

import re

import click
from running import ROOT, Running

from aggregator.auth.refused import Reason
from aggregator.main import serve_command
from aggregator.serve import body, connection, gaps, intake, judging, listening, settings
from kinwatch.wire import LIMITS, Refusal

PAGE = (ROOT / "docs" / "api.md").read_text()
SOURCES = [file.read_text() for file in (ROOT / "aggregator" / "serve").glob("*.py")]


def test_every_option_is_documented_with_its_default() -> None:
    for option in serve_command.params:
        assert isinstance(option, click.Option)
        assert f"`{option.opts[0]}`" in PAGE
        if option.show_default:
            value = f"{option.default:g}" if isinstance(option.default, float) else str(option.default)
            assert re.search(rf"`{option.opts[0]}` \| `?{re.escape(value)}`? \|", PAGE), option.opts[0]


def test_every_option_can_be_set_in_the_environment() -> None:
    for option in serve_command.params:
        assert option.envvar == "KINWATCH_" + option.opts[0].removeprefix("--").replace("-", "_").upper()


def test_every_path_is_documented(server: Running) -> None:
    for path, methods in server.get("/openapi.json").json()["paths"].items():
        for method in methods:
            assert f"`{method.upper()} {path}`" in PAGE


def test_every_metric_is_documented_and_every_documented_one_is_there(server: Running) -> None:
    lines = server.get("/metrics").data.decode().splitlines()
    there = {line.split()[2] for line in lines if line.startswith("# TYPE kinwatch_")}
    assert there == set(re.findall(r"^\| `(kinwatch_\w+)`", PAGE, re.MULTILINE))


def test_every_reason_is_documented() -> None:
    of_ours = {reason for text in SOURCES for reason in re.findall(r'HTTPStatus\.\w+,\s+"(\w+)",', text)}
    assert of_ours > {"behind", "conflict", "slow", "stopping", "store_full"}
    assert [name for name in (*Refusal, *Reason, *of_ours) if f"`{name}`" not in PAGE] == []


def test_every_event_is_documented() -> None:
    events = {event for text in SOURCES for event in re.findall(r'log\.(?:info|warning|error)\(\s*"(\w+)"', text)}
    assert [event for event in events if f"`{event}`" not in PAGE] == []


def test_the_bounds_are_those_of_the_program() -> None:
    for bound in (
        f"{listening.CONNECTIONS:,}; each",
        f"{connection.HEADER_BYTES >> 10} KiB, and {connection.HEADERS_S:g} s",
        f"| {connection.KEEP_ALIVE_S} s |",
        f"{LIMITS.compressed_bytes >> 20} MiB, and {body.BODY_S:g} s",
        f"| {body.ROOM_BYTES >> 20} MiB |",
        f"| {intake.GROUP} |",
        f"| {connection.LINGER_S:g} s |",
        f"| {judging.WAITING} |",
        f"| {gaps.BOOTS:,} |",
        f"up to {settings.QUEUE_MAX:,}",
    ):
        assert bound in PAGE
