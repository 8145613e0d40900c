"""
Turn what ends a command into an exit code and a message on standard error.

Flow: around it. Both console scripts run their command inside `exit_code_of`.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from kinwatch.errors import OperatorError

BUG_EXIT_CODE = 1


def exit_code_of(command: Callable[[], int]) -> int:
    """
    Run a command and return its exit code.

    An OperatorError is shown as problem and remedy and gives its own code; any other exception is a bug, is shown with
    its traceback and gives 1. A reader that goes away (`| head`) is no error.
    """
    try:
        return command()
    except OperatorError as error:
        sys.stderr.write(f"error: {error.problem}\nremedy: {error.remedy}\n")
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception:  # noqa: BLE001 - the one guard: what is not foreseen is a bug, and says so
        traceback.print_exc()
        sys.stderr.write("This is a bug in Kinwatch: please report it with the lines above.\n")
        return BUG_EXIT_CODE
