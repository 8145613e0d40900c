"""The command `agent`: what it says of itself, and how it ends where it can't do what it was asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from ground import AGENT, PATIENCE_S, Ground

from agent.main import agent


def run(*arguments: str | Path, wrapper: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*wrapper, AGENT, *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def told(done: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    """Problem and remedy as they were told in the end, without what was logged before."""
    error, remedy = (line for line in done.stderr.splitlines() if not line.startswith("{"))
    assert error.startswith("error: ")
    assert remedy.startswith("remedy: ")
    return error, remedy


def await_watching(process: subprocess.Popen[str]) -> None:
    """Wait until an agent logs that it watches."""
    assert process.stderr is not None
    assert any('"watching"' in line for line in process.stderr)


def in_own_mounts(script: str) -> tuple[str, ...]:
    """A wrapper that changes what is mounted where, for the wrapped program alone."""
    return ("unshare", "--mount", "sh", "-c", script + ' && exec "$@"', "sh")


# --- What it says of itself -----------------------------------------------------------------------------------------


def test_help_tells_every_option_and_what_it_means() -> None:
    done = run("--help")
    assert done.returncode == 0
    for option in agent.params:
        assert option.opts[-1] in done.stdout
        assert getattr(option, "help", None), f"{option.name} has no help"


def test_without_dry_run_it_says_what_to_do_instead() -> None:
    done = run("--window", "5")
    assert done.returncode == 2
    assert "error: the agent was not told where to ship to" in done.stderr
    assert "remedy: give --aggregator https://HOST:PORT" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--window", "0"], "0"),
        (["--window", "601"], "601"),
        (["--window", "soon"], "soon"),
        (["--window", "nan"], "nan"),
        (["--window", "1.2345"], "1.2345"),
        (["--windows", "0"], "0"),
        (["--windows", "1.5"], "1.5"),
        (["--format", "xml"], "xml"),
        (["--no-such-option"], "--no-such-option"),
        (["surplus"], "surplus"),
        (["--cohort", "x"], "--cohort"),
        (["--cgroup", "demo/*", "--run-dir", "/nonexistent"], "demo/*"),
        (["--cgroup", "/", "--run-dir", "/nonexistent"], "'/'"),
    ],
)
def test_option_that_can_not_be_used_is_named_with_a_remedy(arguments: Sequence[str], problem: str) -> None:
    """Before anything is loaded, and without root."""
    done = run("--dry-run", *arguments)
    assert done.returncode == 2
    error, _ = told(done)
    assert problem in error
    assert done.stdout == ""


# --- A node that can't ----------------------------------------------------------------------------------------------


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("wrapper", "problem", "remedy"),
    [
        pytest.param(
            ("setpriv", "--bounding-set=-all", "--inh-caps=-all"),
            "CAP_BPF",
            "securityMode",
            id="no capabilities",
        ),
        pytest.param(("setarch", "--uname-2.6"), "kernel 2.6.", "run kernel 5.8 or newer", id="old kernel"),
        pytest.param(
            in_own_mounts("mount -t tmpfs none /sys/kernel/btf"),
            "no type information at /sys/kernel/btf/vmlinux",
            "CONFIG_DEBUG_INFO_BTF=y",
            id="no BTF",
        ),
        pytest.param(
            in_own_mounts("umount -l -R /sys/fs/cgroup"),
            "no cgroup hierarchy is mounted here",
            "mount /sys/fs/cgroup of the host",
            id="no cgroups",
        ),
    ],
)
def test_node_that_can_not_run_the_probe_says_why(
    wrapper: Sequence[str], problem: str, remedy: str, tmp_path: Path
) -> None:
    done = run("--dry-run", "--run-dir", tmp_path, wrapper=wrapper)
    assert done.returncode == 3
    error, proposed = told(done)
    assert problem in error
    assert remedy in proposed


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it begins with nothing"),
        (b"garbage " * 100, "it begins with 67 61"),
        (b"\x9f\xeb\x01\x00" + b"\xff" * 4000, "it is truncated"),
        (None, "no type information at"),
    ],
)
def test_type_information_that_is_none_is_refused(content: bytes | None, problem: str, tmp_path: Path) -> None:
    btf = tmp_path / "btf"
    if content is not None:
        btf.write_bytes(content)
    done = run("--dry-run", "--btf", btf, "--run-dir", tmp_path)
    assert done.returncode == 3
    assert f"{btf}" in done.stderr
    assert problem in done.stderr
    assert "\nremedy: " in done.stderr


@pytest.mark.kernel
def test_cgroup_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The one among several that matches nothing."""
    done = run("--dry-run", "--cgroup", "/*", "--cgroup", "/no-such-cgroup/*", "--run-dir", tmp_path)
    assert done.returncode == 2
    assert "error: no cgroup matches --cgroup '/no-such-cgroup/*'" in done.stderr
    assert "remedy: start the container first" in done.stderr


@pytest.mark.kernel
def test_run_dir_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("--dry-run", "--cgroup", "/*", "--run-dir", tmp_path / "file" / "below")
    assert done.returncode == 3
    assert "agent.lock can't be held: Not a directory" in done.stderr
    assert "--run-dir" in done.stderr


# --- Running --------------------------------------------------------------------------------------------------------


@pytest.mark.kernel
def test_second_agent_is_refused_and_the_first_goes_on(ground: Ground, tmp_path: Path) -> None:
    with ground.watch("--run-dir", str(tmp_path)):
        holder = (tmp_path / "agent.lock").read_text()
        done = run("--dry-run", "--cgroup", "/*", "--run-dir", tmp_path)
        assert done.returncode == 3
        assert f"error: another agent watches this node already, process {holder}" in done.stderr
        assert f"remedy: end it first (`kill {holder}`)" in done.stderr
    with ground.watch("--run-dir", str(tmp_path)) as agent_after:
        pass
    assert agent_after.of("first")


@pytest.mark.kernel
def test_number_of_windows_counts_whole_ones(ground: Ground, tmp_path: Path) -> None:
    """The first, begun in the middle, is shown and not counted; then it ends with exit code 0."""
    (ground.cgroup("there")).run("")
    done = run(
        *("--dry-run", "--cgroup", f"{ground.prefix}/*", "--cohort", "shop", "--node", "n1", "--run-dir", tmp_path),
        *("--window", "1", "--windows", "1"),
    )
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    starts = sorted({line["window"]["start"] for line in lines})
    assert len(starts) == 2
    for line in lines:
        assert line["node"] == "n1"
        assert line["workload"] == {"kind": "Cgroup", "name": "shop", "revision": None}
        assert line["replica"]["cgroup"].startswith(ground.prefix)
        assert line["coverage"]["resolved"] is True
        assert line["window"]["seconds"] == 1


@pytest.mark.kernel
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_closes_the_open_window_and_shows_it(ground: Ground, number: signal.Signals, tmp_path: Path) -> None:
    arguments = ("--dry-run", "--cgroup", f"{ground.prefix}/*", "--window", "600", "--run-dir", str(tmp_path))
    (ground.cgroup(f"for-{number.name}")).run("")
    with subprocess.Popen([AGENT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        await_watching(process)
        process.send_signal(number)
        began = time.monotonic()
        output, _ = process.communicate(timeout=PATIENCE_S)
    assert time.monotonic() - began < 5
    assert process.returncode == 0
    assert f"{ground.prefix}/for-{number.name}" in output


@pytest.mark.kernel
def test_table_is_for_terminals_and_lines_for_everything_else(ground: Ground, tmp_path: Path) -> None:
    (ground.cgroup("shown")).run("")
    arguments = ("--dry-run", "--cgroup", f"{ground.prefix}/*", "--window", "1", "--windows", "1")
    assert run(*arguments, "--run-dir", tmp_path).stdout.startswith('{"window":')
    table = run(*arguments, "--format", "table", "--run-dir", tmp_path).stdout
    assert f"{ground.prefix}/shown" in table
    assert "syscall_categories" in table


@pytest.mark.kernel
def test_reader_that_goes_away_is_no_error(ground: Ground, tmp_path: Path) -> None:
    """`agent … | head -1` ends when head does."""
    (ground.cgroup("piped")).run("")
    arguments = ("--dry-run", "--cgroup", f"{ground.prefix}/*", "--window", "1", "--run-dir", str(tmp_path))
    with subprocess.Popen([AGENT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(PATIENCE_S) == 0
    assert "Traceback" not in said


@pytest.mark.kernel
def test_nothing_of_a_probe_is_left_when_its_agent_was_killed(ground: Ground, tmp_path: Path) -> None:
    """The kernel detaches the programs and drops the lock with the process that held them."""
    (ground.cgroup("killed")).run("")
    arguments = ("--dry-run", "--cgroup", f"{ground.prefix}/*", "--window", "600", "--run-dir", str(tmp_path))
    with subprocess.Popen([AGENT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        await_watching(process)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE_S)
    assert run(*arguments[:-4], "--window", "1", "--windows", "1", "--run-dir", tmp_path).returncode == 0
