"""docs/authentication.md names what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.auth import lines, refusals, remembered, reviews, token_file, tokens
from aggregator.auth.access_review import PREFIX
from aggregator.auth.refused import AuthError, Reason
from aggregator.auth.values import AUDIENCE
from kinwatch.apiserver.connection import CONNECT_S

PAGE = (Path(__file__).parents[3] / "docs" / "authentication.md").read_text()


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_documented_with_its_status(reason: Reason) -> None:
    assert f"| `{reason}` | {AuthError(reason, '', remedy='').status} |" in PAGE


def test_every_class_of_peers_is_documented() -> None:
    assert [peer for peer in refusals.Peer if f"`{peer}`" not in PAGE] == []


@pytest.mark.parametrize(
    "said",
    [
        f"audience: {AUDIENCE}",
        f"nonResourceURLs: [{PREFIX}/*]",
        f"{remembered.ACCEPTED_S:.0f} s, and never longer than the token",
        f"{remembered.REFUSED_S:.0f} s: so late a permission",
        f"{remembered.MOST_ACCEPTED:,} of those let in, {remembered.MOST_REFUSED:,} of those refused",
        f"| {lines.LINES}; the same question is asked once for all who ask it | waits {lines.FREE_S:.0f} s",
        f"{CONNECT_S:.0f} s to connect, {reviews.READ_S:.0f} s to answer",
        f"not asked for {lines.AWAY_S:.0f} s, or for as long as it says, {lines.LONGEST_AWAY_S:.0f} s at most",
        f"{tokens.LONGEST:,} characters",
        f"{token_file.SHORTEST} characters or more",
        f"{token_file.MOST_BYTES >> 10} KiB",
        f"Beyond {refusals.MOST:,} such pairs",
    ],
)
def test_the_bounds_are_those_of_the_program(said: str) -> None:
    assert said in PAGE


def test_the_static_tokens_of_the_page_can_be_read(tmp_path: Path) -> None:
    example = PAGE.split("`--tokens FILE`")[1].split("```yaml\n")[1].split("```")[0]
    for shown, whole in (("0f3c…", "0" * 64), ("77ab…", "1" * 64), ("9b1d…", "2" * 64)):
        example = example.replace(shown, whole)
    file = tmp_path / "tokens.yaml"
    file.write_text(example)
    file.chmod(0o600)
    _, holders = token_file.read(file)
    assert [(holder.name, holder.node) for holder in holders] == [
        ("edge-1", "edge-1"),
        ("relay", None),
        ("dashboard", None),
    ]
