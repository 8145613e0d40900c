"""
Run the kernel tests where this node can, and say why not elsewhere; count them at the end.

A test with the marker `kernel` is skipped, with the reason, where root, BTF, CAP_BPF, BCC or runc is missing. With
KINWATCH_REQUIRE_KERNEL=1, as .ci/run sets it on a node that can load BPF, a skipped one counts as failed.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest

BTF = Path("/sys/kernel/btf/vmlinux")
CAP_SYS_ADMIN = 21  # bit numbers, linux/capability.h
CAP_BPF = 39
KERNEL_GROUP = pytest.mark.xdist_group("kernel")
"""Loading BPF is for one at a time on a node: under xdist, one worker takes all kernel tests."""


@cache
def hindrance() -> str | None:
    """Why kernel tests can't run on this node; None if they can."""
    capabilities = _effective_capabilities()
    checks = {
        "needs root": os.geteuid() == 0,
        f"needs the kernel's BTF, {BTF}": os.access(BTF, os.R_OK),
        "needs CAP_BPF or CAP_SYS_ADMIN": bool(capabilities >> CAP_BPF & 1 or capabilities >> CAP_SYS_ADMIN & 1),
        "needs BCC, the package python3-bpfcc": importlib.util.find_spec("bcc") is not None,
        "needs runc": shutil.which("runc") is not None,
    }
    return next((reason for reason, fulfilled in checks.items() if not fulfilled), None)


def _effective_capabilities() -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), 16)


def _skipping_is_failing() -> bool:
    return os.environ.get("KINWATCH_REQUIRE_KERNEL") == "1"


@pytest.hookimpl(wrapper=True)  # so that it comes before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, None, None]:
    kernel_items = [item for item in items if item.get_closest_marker("kernel")]
    for item in kernel_items:
        item.add_marker(KERNEL_GROUP)
    yield
    # xdist hands the group on in the test's id; not every pytest lets it (pytest-dev/pytest-xdist issue 1386).
    if getattr(config.option, "loadgroup", False) and not all(item.nodeid.endswith("@kernel") for item in kernel_items):
        message = "pytest-xdist would not keep the kernel tests on one worker: run `make install`"
        raise pytest.UsageError(message)


def pytest_runtest_setup(item: pytest.Item) -> None:
    reason = hindrance()
    if reason and item.get_closest_marker("kernel"):
        pytest.skip(f"kernel test: {reason}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.get_closest_marker("kernel") and _skipping_is_failing():
        report.outcome = "failed"
        report.longrepr = f"KINWATCH_REQUIRE_KERNEL=1, and this kernel test was skipped: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ran, skipped = (
        sum("kernel" in report.keywords for outcome in outcomes for report in terminalreporter.getreports(outcome))
        for outcomes in (("passed", "failed", "xfailed"), ("skipped",))
    )
    terminalreporter.write_line(f"kernel tests: {ran} ran, {skipped} skipped")
