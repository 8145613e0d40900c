"""
Run a console script: options in, an exit code out, and what went wrong on standard error.

Flow: around it. Both `main`s hand their click command to `run_command`. A click command answers with a job, which is
run outside click: click takes a reader that goes away (`| head`) for a failure.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Sequence

import click

from kinwatch.errors import InputError, NodeError, OperatorError
from kinwatch.printable import printable

Job = Callable[[], int]
"""What a command line asks for; gives the exit code."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
MAKE_ROOM = "make room where the output goes, or send it elsewhere; what was written before is whole lines but the last"

BUG_EXIT_CODE = 1
INTERRUPTED_EXIT_CODE = 130
"""128 + SIGINT, as shells have it."""


def run_command(command: click.Command, arguments: Sequence[str] | None, *, name: str) -> int:
    """The exit code of a console script; arguments are those of the process if None."""

    def asked_for() -> int:
        job = _parsed(command, arguments, name=name)
        return job if isinstance(job, int) else job()

    return exit_code_of(asked_for)


def exit_code_of(job: Job) -> int:
    """
    Run a job and return its exit code.

    An OperatorError is shown as problem and remedy and gives its own code; any other exception is a bug, is shown with
    its traceback and gives 1. A reader of standard output that goes away is no error; an interruption gives 130.
    """
    try:
        return job()
    except OperatorError as error:
        return _told(error)
    except BrokenPipeError:
        _drop_output()
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT_CODE
    except OSError as error:
        return _no_room(error) if error.errno in NO_ROOM else _bug()
    except Exception:  # noqa: BLE001 - the one guard: what is not foreseen is a bug, and says so
        return _bug()


def _told(error: OperatorError) -> int:
    sys.stderr.write(f"error: {_lines(error.problem)}\nremedy: {_lines(error.remedy)}\n")
    return error.exit_code


def _no_room(error: OSError) -> int:
    _drop_output()
    return _told(NodeError(f"writing the output: {error.strerror}", remedy=MAKE_ROOM))


def _bug() -> int:
    traceback.print_exc()
    sys.stderr.write("This is a bug in Kinwatch: please report it with the lines above.\n")
    return BUG_EXIT_CODE


def _lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def _parsed(command: click.Command, arguments: Sequence[str] | None, *, name: str) -> Job | int:
    """What a command line asks for; 0 where click has answered it already, as it does --help."""
    try:
        return command.main(args=arguments, prog_name=name, standalone_mode=False) or 0
    except click.ClickException as error:
        raise InputError(error.format_message(), remedy=f"see `{name} --help`") from error
    except click.Abort as error:
        raise KeyboardInterrupt from error


def _drop_output() -> None:
    """Send what is still buffered to nowhere: the interpreter flushes it as it ends, and would fail on it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
