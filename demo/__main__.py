"""
The demo as a command: play it, tell the story, and end with 0 only if exactly the attacked replica was named.

Flow: around it. `make demo`, or `.venv/bin/python -m demo [--attack NAME] [--window SECONDS] [--quiet]`.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
from types import FrameType

from rich.console import Console

from demo import programs
from demo.stage import REPLICAS, Outcome, play
from kinwatch.command_line import exit_code_of

MISNAMED = 1
INTERRUPTED = 128


class Silence:
    """Tells nothing."""

    def step(self, text: str) -> None:
        """Nothing."""

    def detail(self, text: str) -> None:
        """Nothing."""


class Storyteller:
    """Tells each step under its number."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps = 0

    def step(self, text: str) -> None:
        """A numbered heading."""
        self._steps += 1
        self._console.print(f"[bold cyan]{self._steps}[/]  [bold]{text}[/]", highlight=False)

    def detail(self, text: str) -> None:
        """An indented line, taken literally and never broken, so that a command can be copied."""
        self._console.print(f"   {text}", style="dim", markup=False, highlight=False, soft_wrap=True)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description="Watch three containers, attack one, name it.")
    parser.add_argument("--attack", choices=REPLICAS, help="which one is attacked; one at random by default")
    parser.add_argument("--window", type=int, default=5, metavar="SECONDS", help="length of a window (default: 5)")
    parser.add_argument("--quiet", action="store_true", help="print the verdicts as JSON lines and nothing else")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Play the demo as the arguments say; raises OperatorError where this node can't."""
    options = _options(arguments)
    attacked = options.attack or secrets.choice(REPLICAS)
    console = Console()
    outcome = play(
        attacked=attacked, window_s=options.window, teller=Silence() if options.quiet else Storyteller(console)
    )
    if options.quiet:
        sys.stdout.write(outcome.verdicts)
    else:
        _tell(outcome, console)
    return 0 if outcome.right else MISNAMED


def _tell(outcome: Outcome, console: Console) -> None:
    console.print()
    programs.show(outcome.snapshots)
    console.print()
    names = ", ".join(sorted(outcome.named)) or "none"
    sign = "[bold green]✔[/]" if outcome.right else "[bold red]✘[/]"
    console.print(f"{sign}  attacked: [bold]{outcome.attacked}[/]; named: [bold]{names}[/]", highlight=False)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    """Leave by the way on which everything is cleaned up."""
    sys.exit(INTERRUPTED + number)


def run() -> int:
    """Run the command under signals that clean up; gives the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    return exit_code_of(lambda: main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(run())
