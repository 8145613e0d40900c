"""Tokens of a file let in those whom the operator wrote there, from the next request after it changes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import yaml

from aggregator.auth.refused import AuthError, Reason
from aggregator.auth.static_tokens import StaticTokens
from aggregator.auth.values import Credential, Principal, Via
from kinwatch.errors import InputError

EDGE = "edge-token-0123456789abcdef"
RELAY = "relay-token-0123456789abcde"
ANOTHER = "another-token-0123456789abc"
DASHBOARD = "dashboard-token-0123456789a"
ENTRIES = {
    "agents": [
        {"name": "edge", "node": "edge-1", "token": EDGE},
        {"name": "relay", "node": "*", "token": RELAY},
    ],
    "readers": [{"name": "dashboard", "sha256": hashlib.sha256(DASHBOARD.encode()).hexdigest()}],
}


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    return write(tmp_path / "tokens.yaml", ENTRIES)


def write(file: Path, entries: object, *, mode: int = 0o600) -> Path:
    text = entries if isinstance(entries, str) else yaml.safe_dump(entries)
    file.write_text(text)
    file.chmod(mode)
    return file


def replace(file: Path, entries: object) -> None:
    """As an editor does, or the kubelet."""
    os.replace(write(file.with_suffix(".new"), entries), file)  # noqa: PTH105 - the short way


def refusal(tokens: StaticTokens, token: str | None) -> AuthError:
    with pytest.raises(AuthError) as refused:
        tokens.authenticate(Credential(token=token))
    return refused.value


def test_agent_speaks_for_its_node(file: Path) -> None:
    principal = StaticTokens(file).authenticate(Credential(token=EDGE))
    assert principal == Principal(name="edge", node="edge-1", via=Via.STATIC_TOKEN)


def test_agent_speaks_for_any_node_if_the_operator_says_so(file: Path) -> None:
    assert StaticTokens(file).authenticate(Credential(token=RELAY)).node is None


def test_reader_reads_everything(file: Path) -> None:
    """Its token may stand in the file as its SHA-256 alone."""
    principal = StaticTokens(file).authorise(Credential(token=DASHBOARD), verb="get", path="/metrics")
    assert principal.name == "dashboard"


def test_token_is_for_one_role(file: Path) -> None:
    tokens = StaticTokens(file)
    with pytest.raises(AuthError, match="the token of edge is for the role agent, not reader") as refused:
        tokens.authorise(Credential(token=EDGE), verb="get", path="/metrics")
    assert (refused.value.status, refused.value.reason) == (403, Reason.OTHER_ROLE)
    assert refusal(tokens, DASHBOARD).reason is Reason.OTHER_ROLE


@pytest.mark.parametrize("token", [EDGE[:-1], EDGE + "a", EDGE.upper(), f"{EDGE} ", "edge", "*"])
def test_token_that_is_not_there_is_refused(file: Path, token: str) -> None:
    error = refusal(StaticTokens(file), token)
    assert (error.status, error.reason) == (401, Reason.BAD_TOKEN)


def test_no_token_is_refused(file: Path) -> None:
    assert refusal(StaticTokens(file), None).reason is Reason.NO_CREDENTIAL


def test_file_is_read_anew_when_it_changes(file: Path) -> None:
    tokens = StaticTokens(file)
    replace(file, {"agents": [{"name": "edge", "node": "edge-2", "token": ANOTHER}]})
    assert tokens.authenticate(Credential(token=ANOTHER)).node == "edge-2"
    assert refusal(tokens, EDGE).reason is Reason.BAD_TOKEN


def test_file_is_read_only_when_it_changed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = StaticTokens(file)
    monkeypatch.setattr("aggregator.auth.static_tokens.read", None)
    for _ in range(3):
        tokens.authenticate(Credential(token=EDGE))


def test_secret_that_the_kubelet_swaps_is_read_anew(file: Path, tmp_path: Path) -> None:
    """The name stays, and leads to another file."""
    shown = tmp_path / "shown.yaml"
    shown.symlink_to(file)
    tokens = StaticTokens(shown)
    new = write(tmp_path / "new.yaml", {"readers": ENTRIES["readers"]})
    (tmp_path / "link").symlink_to(new)
    (tmp_path / "link").rename(shown)
    assert refusal(tokens, EDGE).reason is Reason.BAD_TOKEN


@pytest.mark.parametrize("broken", ["agents: [", "agents: 5", None])
def test_file_that_went_bad_lets_nobody_in(file: Path, broken: str | None) -> None:
    """Not even those of before: who was taken out must not go on. It heals by itself when the file is right."""
    tokens = StaticTokens(file)
    if broken is None:
        file.unlink()
    else:
        replace(file, broken)
    error = refusal(tokens, EDGE)
    assert (error.status, error.reason) == (503, Reason.UNAVAILABLE)
    assert error.retry_after_s
    assert tokens.takes(Credential(token=EDGE))
    replace(file, ENTRIES)
    assert tokens.authenticate(Credential(token=EDGE)).name == "edge"


def test_file_that_everybody_may_read_later_lets_nobody_in(file: Path) -> None:
    tokens = StaticTokens(file)
    file.chmod(0o644)
    assert refusal(tokens, EDGE).reason is Reason.UNAVAILABLE
    file.chmod(0o640)
    assert tokens.authenticate(Credential(token=EDGE)).name == "edge"


def test_token_of_the_file_is_told_from_others(file: Path) -> None:
    tokens = StaticTokens(file)
    assert tokens.takes(Credential(token=EDGE))
    assert not tokens.takes(Credential(token=ANOTHER))
    assert not tokens.takes(Credential())


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601, 0o777])
def test_file_for_everybody_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(InputError, match="every user may read or write it") as refused:
        StaticTokens(write(tmp_path / "tokens.yaml", ENTRIES, mode=mode))
    assert f"its mode is {mode:04o}" in refused.value.problem
    assert "chmod o=" in refused.value.remedy
    assert "defaultMode: 0440" in refused.value.remedy


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ("", "other keys than `agents` and `readers`, or none"),
        ("a: b", "other keys"),
        ("- a", "other keys"),
        ("{", "is no YAML"),
        ("agents: " + "[" * 1_000, "is no YAML"),
        ({"agents": {"a": "b"}}, "`agents` is no list"),
        ({"agents": ["edge"]}, "number 1 of `agents` has other keys"),
        ({"agents": [{"name": "edge", "node": "n", "tokn": EDGE}]}, "has other keys than name, node, sha256, token"),
        ({"readers": [{"name": "r", "node": "n", "token": EDGE}]}, "has other keys than name, sha256, token"),
        ({"agents": [{"node": "n", "token": EDGE}]}, "has no `name`"),
        ({"agents": [{"name": "edge", "token": EDGE}]}, "has no `node`"),
        ({"agents": [{"name": "edge", "node": 5, "token": EDGE}]}, "has no `node` that is a name"),
        ({"agents": [{"name": "edge", "node": "a*", "token": EDGE}]}, "has no `node` that is a name"),
        ({"agents": [{"name": "edge", "node": "n"}]}, "has neither a `token`"),
        ({"agents": [{"name": "edge", "node": "n", "token": "short"}]}, "has neither a `token`"),
        ({"agents": [{"name": "edge", "node": "n", "token": "with spaces 0123456789abcdef"}]}, "has neither a `token`"),
        ({"agents": [{"name": "edge", "node": "n", "token": EDGE, "sha256": "0" * 64}]}, "or both"),
        ({"agents": [{"name": "edge", "node": "n", "sha256": "0" * 63}]}, "has neither a `token`"),
        ({"agents": [{"name": n, "node": n, "token": EDGE} for n in "ab"]}, "a and b have the same token"),
        ({"agents": ENTRIES["agents"], "readers": [{"name": "r", "token": EDGE}]}, "edge and r have the same token"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 80 else "",
)
def test_file_that_can_not_be_used_is_told_of_without_its_tokens(tmp_path: Path, entries: object, problem: str) -> None:
    with pytest.raises(InputError) as refused:
        StaticTokens(write(tmp_path / "tokens.yaml", entries))
    assert problem in refused.value.problem
    assert "tokens.yaml" in refused.value.problem
    assert refused.value.remedy
    assert EDGE not in str(refused.value)


def test_file_that_is_none_is_told_of(tmp_path: Path) -> None:
    """A pipe would keep us waiting for who writes it."""
    with pytest.raises(InputError, match=r"No such file or directory.*--tokens"):
        StaticTokens(tmp_path / "tokens.yaml")
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(InputError, match="is no file"):
            StaticTokens(path)


def test_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has more than 262144 bytes"):
        StaticTokens(write(tmp_path / "tokens.yaml", "#" * (256 << 10) + "\n"))
