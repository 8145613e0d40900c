"""
What a check is, and what it found.

Flow: **finding** -> every family of checks -> report.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    """The agent works, but not as well as it could, or it might stop to."""
    FAILED = "failed"
    """Something that the agent is there for does not work; if the check is fatal, nothing does."""
    SKIPPED = "skipped"
    """It does not apply here, or could not be told; what was found says why. Never a silent pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    check: str
    """The check's name."""
    outcome: Outcome
    found: str
    """The fact. It may hold what others wrote, a path or an answer: to be made printable before it is shown."""
    why: str
    """Why it matters, in one sentence."""
    remedy: str = ""
    """What to type or to set; empty if it is well or does not apply."""
    fatal: bool = False
    """Whether the agent can do nothing at all where this check failed."""

    @property
    def stops(self) -> bool:
        """Whether the agent must not go on."""
        return self.fatal and self.outcome is Outcome.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A precondition by name; its methods make what was found of it."""

    name: str
    """Lower case, with dashes; documented in docs/doctor.md."""
    why: str
    """Why it matters, in one sentence."""
    fatal: bool = False
    """Whether the agent can do nothing at all where it fails."""

    def ok(self, found: str) -> Finding:
        """All is well."""
        return self._finding(Outcome.OK, found)

    def skipped(self, found: str) -> Finding:
        """It does not apply, or could not be told; `found` says why."""
        return self._finding(Outcome.SKIPPED, found)

    def warning(self, found: str, *, remedy: str) -> Finding:
        """The agent works, with less."""
        return self._finding(Outcome.WARNING, found, remedy)

    def failed(self, found: str, *, remedy: str) -> Finding:
        """It does not work."""
        return self._finding(Outcome.FAILED, found, remedy)

    def _finding(self, outcome: Outcome, found: str, remedy: str = "") -> Finding:
        return Finding(check=self.name, outcome=outcome, found=found, why=self.why, remedy=remedy, fatal=self.fatal)
