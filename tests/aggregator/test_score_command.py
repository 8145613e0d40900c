"""`aggregator score`, as it is called: what it prints, what it complains of, and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kinfolk import ATTACKED, FIXTURES, chisel_replica, chisel_text, snapshot, text_of

from aggregator.main import run
from kinwatch.aspects import Aspect

WEB2 = FIXTURES / "replicas_web2_misbehaves.json"
ROOT = FIXTURES.parent.parent.parent
PROGRAM = [sys.executable, "-c", "import sys; from aggregator.main import run; sys.exit(run())", "score"]


@pytest.fixture
def score(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `aggregator score` and give its exit code, its verdicts and what it said on standard error."""

    def scored(*arguments: str | Path) -> tuple[int, list[dict[str, Any]], str]:
        code = run(["score", *map(str, arguments)])
        output, said = capsys.readouterr()
        return code, [json.loads(line) for line in output.splitlines()], said

    return scored


@pytest.fixture
def replicas(tmp_path: Path) -> Path:
    """A file of three replicas, of which web-b was attacked."""
    path = tmp_path / "replicas.jsonl"
    path.write_text(text_of(snapshot("web-a"), snapshot("web-b", ATTACKED), snapshot("web-c")))
    return path


# --- verdicts -------------------------------------------------------------------------------------------------------


def test_a_verdict_has_these_fields(score: Any, replicas: Path) -> None:
    code, (verdict,), said = score(replicas)
    assert (code, said) == (0, "")
    assert list(verdict) == ["cohort", "window", "source", "profile", "threshold", "verdict", "reason", "replicas"]
    assert verdict["cohort"] == {
        "namespace": "shop",
        "kind": "Deployment",
        "name": "web",
        "revision": "6d4f",
        "container": "web",
    }
    assert verdict["window"] == {"start": "2026-11-23T09:46:00.000Z", "seconds": 30}
    assert (verdict["source"], verdict["profile"], verdict["threshold"]) == (str(replicas), "kinwatch", 0.3)
    assert verdict["verdict"] == "anomalous"
    odd = verdict["replicas"][1]
    assert list(odd) == ["replica", "distance", "dissimilarity", "anomalous", "evidence"]
    assert odd["replica"]["pod"] == "web-b"
    assert set(odd["dissimilarity"]) == {aspect.value for aspect in Aspect}
    assert odd["evidence"]["executables"] == {"only_here": [{"value": "nc", "kin": 0}], "missing_here": []}


def test_exactly_the_attacked_replica_is_named_in_real_captures(score: Any) -> None:
    for capture, attacked in (
        (WEB2, "69d90f2bf89d"),
        (FIXTURES / "replicas.scap.by_container_id.json", "69d90f2bf89d"),
    ):
        _, (verdict,), _ = score(capture)
        odd = [one["replica"]["pod"] for one in verdict["replicas"] if one["anomalous"]]
        assert len(odd) == 1
        assert attacked in odd[0]


def test_healthy_replicas_in_a_real_capture_are_normal(score: Any) -> None:
    code, (verdict,), _ = score(FIXTURES / "replicas_normal.json")
    assert (code, verdict["verdict"]) == (0, "normal")


def test_the_published_profile_on_the_worked_example(score: Any) -> None:
    """With one attacker of three, the distances of its kin are beyond the threshold too: kept as published."""
    _, (verdict,), _ = score(WEB2, "--profile", "replicawatcher")
    assert verdict["verdict"] == "anomalous"
    assert sorted(round(one["distance"], 4) for one in verdict["replicas"]) == [0.6117, 0.6117, 1.2234]
    assert [one["anomalous"] for one in verdict["replicas"]] == [True, True, True]


@pytest.mark.parametrize("profile", ["kinwatch", "replicawatcher"])
def test_aspects_may_be_chosen_in_any_order(score: Any, replicas: Path, profile: str) -> None:
    _, (verdict,), _ = score(replicas, "--aspects", "filenames, syscalls,syscalls", "--profile", profile)
    assert list(verdict["replicas"][0]["dissimilarity"]) == ["syscalls", "filenames"]


def test_the_threshold_is_the_askers(score: Any, replicas: Path) -> None:
    _, (verdict,), _ = score(replicas, "--threshold", "9")
    assert (verdict["verdict"], verdict["threshold"]) == ("normal", 9.0)


def test_a_sweep_is_one_object(score: Any) -> None:
    """At each threshold of numpy.arange(0.1, 1.1, 0.1), how many snapshots are anomalous, of how many."""
    code, (sweep,), _ = score("--sweep", WEB2, FIXTURES / "replicas_normal.json", "--profile", "replicawatcher")
    assert code == 0
    assert (sweep["snapshots"], sweep["inconclusive"]) == (2, 0)
    assert [one["threshold"] for one in sweep["sweep"]] == [round(float(one), 1) for one in np.arange(0.1, 1.1, 0.1)]
    assert [one["anomalous"] for one in sweep["sweep"]] == [1] * 10


def test_a_table_is_printed_when_asked_for(capsys: pytest.CaptureFixture[str], replicas: Path) -> None:
    assert run(["score", str(replicas), "--format", "table"]) == 0
    assert capsys.readouterr().out.startswith("ANOMALOUS  shop/Deployment/web")
    assert run(["score", str(replicas), "--format", "table", "--sweep"]) == 0
    assert capsys.readouterr().out.startswith("kinwatch: 1 snapshots")


@pytest.mark.parametrize("content", [text_of(snapshot("a"), snapshot("b")), chisel_text(*map(chisel_replica, "ab"))])
def test_standard_input_is_either_form(content: str) -> None:
    done = subprocess.run([*PROGRAM, "-"], input=content, capture_output=True, text=True, check=True, cwd=ROOT)
    verdict = json.loads(done.stdout)
    assert (verdict["verdict"], verdict["source"]) == ("normal", "-")


def test_a_reader_that_goes_away_is_no_error() -> None:
    for form in ("json", "table"):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [*PROGRAM, str(WEB2), "--format", form], stdout=writing, stderr=subprocess.PIPE, check=False, cwd=ROOT
        )
        os.close(writing)
        assert done.returncode == 0
        assert b"Traceback" not in done.stderr
        assert b"BrokenPipe" not in done.stderr


# --- bad input ------------------------------------------------------------------------------------------------------


def test_a_failed_capture_is_inconclusive_and_says_why(score: Any) -> None:
    """Since 0.35 sysdig leaves k8s.deployment.name empty; `[]` never means that nothing happened."""
    code, (verdict,), said = score(FIXTURES / "empty_k8s_filter.json")
    assert (code, verdict["verdict"], verdict["replicas"]) == (2, "inconclusive", [])
    assert "k8s.deployment.name" in verdict["reason"]
    assert "0.35" in said
    assert "remedy: capture with the filter `container.id!=host`" in said


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "the source is empty"),
        (b"nonsense", "neither JSON lines nor a chisel capture"),
        (b"[nonsense]", "not JSON"),
        (b'{"window":', "cut in the middle"),
        (b'[{"pod_id":"a"', "cut in the middle"),
        (b'["\xff"]', "not UTF-8"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b"{}\n", "the key 'window' is missing"),
        (b'[{"begin_time":"09:46:00"}]', "has no key pod_id"),
        (b'[{"pod_id":"a","list_distinct_args":[1]}]', "holds something that is not text"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000 + b"\n", "nested too deeply"),
        (b"[NaN]", "NaN is no JSON value"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_bad_file_is_reported_with_a_remedy_and_the_others_are_judged(
    score: Any, tmp_path: Path, replicas: Path, content: bytes, complaint: str
) -> None:
    bad = tmp_path / "bad.json"
    bad.write_bytes(content)
    code, verdicts, said = score(tmp_path)
    assert code == 2
    assert [verdict["source"] for verdict in verdicts] == [str(replicas)]
    assert f"error: {bad}" in said
    assert complaint in said
    assert "\nremedy: " in said
    assert "Traceback" not in said


def test_a_bad_line_is_reported_with_its_number(score: Any, replicas: Path) -> None:
    with replicas.open("a") as file:
        file.write('{"window":3}\n')
    code, verdicts, said = score(replicas)
    assert (code, len(verdicts)) == (2, 1)
    assert said.startswith(f"error: {replicas}:4: no snapshot: window: expected an object")


def test_a_path_that_does_not_exist(score: Any, tmp_path: Path) -> None:
    code, verdicts, said = score(tmp_path / "nowhere.json")
    assert (code, verdicts) == (2, [])
    assert "No such file or directory" in said
    assert "remedy: check that the path is right" in said


def test_a_folder_without_captures(score: Any, tmp_path: Path) -> None:
    code, verdicts, said = score(tmp_path)
    assert (code, verdicts) == (2, [])
    assert "the folder holds no file that ends in" in said


def test_what_is_named_twice_is_judged_once_and_that_is_said(score: Any, replicas: Path) -> None:
    code, verdicts, said = score(replicas, replicas)
    assert (code, len(verdicts)) == (0, 1)
    assert said == f"note: {replicas} was named more than once; it is read once\n"


def test_a_missing_list_is_empty_and_that_is_said(score: Any, tmp_path: Path) -> None:
    path = tmp_path / "capture.json"
    path.write_text(chisel_text(chisel_replica("a"), chisel_replica("b", without=("list_distinct_args",))))
    code, (verdict,), said = score(path)
    assert code == 0
    assert "b has no list_distinct_args: taken as empty" in verdict["reason"]
    assert "b has no list_distinct_args: taken as empty" in said


@pytest.mark.parametrize("profile", ["kinwatch", "replicawatcher"])
@pytest.mark.parametrize("cwd", ["/", "/cafe"])
def test_cwds_that_end_up_empty_are_judged(score: Any, tmp_path: Path, cwd: str, profile: str) -> None:
    path = tmp_path / "capture.json"
    path.write_text(chisel_text(chisel_replica("a", cwds=[cwd]), chisel_replica("b", cwds=[cwd])))
    code, (verdict,), _ = score(path, "--profile", profile)
    assert (code, verdict["verdict"]) == (0, "normal")


@pytest.mark.parametrize("profile", ["kinwatch", "replicawatcher"])
def test_one_replica_alone_is_inconclusive(score: Any, profile: str) -> None:
    code, (verdict,), _ = score(FIXTURES / "odd_names.json", "--profile", profile)
    assert (code, verdict["verdict"]) == (0, "inconclusive")
    assert "one replica alone" in verdict["reason"]


def test_two_gigabytes_of_one_line_through_a_pipe_are_refused() -> None:
    """In well under a gigabyte of memory, and without waiting for the end of it."""
    flood = "import os\nos.write(1, b'{')\nwhile True: os.write(1, b'a' * 65536)"
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)); {PROGRAM[2]}"
    with subprocess.Popen([sys.executable, "-c", flood], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as flooding:
        done = subprocess.run(
            [sys.executable, "-c", limited, "score", "-"],
            stdin=flooding.stdout,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )
        flooding.kill()
    assert done.returncode == 2
    assert done.stderr.startswith("error: -:1: the line is longer than 64 MiB")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--threshold", "nan"], "--threshold nan is not a finite number"),
        (["--threshold", "inf"], "--threshold inf is not a finite number"),
        (["--threshold", "-1"], "--threshold -1 is not a finite number of at least 0"),
        (["--threshold", "much"], "'much' is not a valid float"),
        (["--aspects", "syscalls,dreams"], "--aspects: dreams is unknown"),
        (["--aspects", ","], "--aspects names none"),
        (["--profile", "mine"], "'mine' is not one of"),
        (["--format", "xml"], "'xml' is not one of"),
        (["--bogus"], "--bogus"),
    ],
    ids=" ".join,
)
def test_an_option_that_cannot_be_used(score: Any, arguments: list[str], complaint: str) -> None:
    code, verdicts, said = score(WEB2, *arguments)
    assert (code, verdicts) == (2, [])
    assert said.startswith("error: ")
    assert complaint in said
    assert "\nremedy: " in said


def test_an_unknown_aspect_lists_those_there_are(score: Any) -> None:
    _, _, said = score(WEB2, "--aspects", "dreams")
    assert ",".join(Aspect) in said


@pytest.mark.parametrize("arguments", [[], ["score"], ["bogus"]])
def test_a_command_line_that_names_nothing(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["score", "--help"]) == 0
    assert "--sweep" in capsys.readouterr().out


def test_file_names_cannot_drive_the_terminal(score: Any, tmp_path: Path) -> None:
    bad = tmp_path / "\x1b[31mbad\n.json"
    bad.write_text("nonsense")
    _, _, said = score(bad)
    assert "\\x1b[31mbad\\n.json" in said
    assert "\x1b" not in said
