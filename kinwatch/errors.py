"""
The errors that a person can do something about, each with its remedy.

Flow: beside it. A step raises one of these; `main` prints problem and remedy and exits with its code.

    Exception
    └── OperatorError            exit code 2 or 3, shown without a traceback
        ├── InputError     (2)   an option, a file or a line that can't be used as it is
        └── NodeError      (3)   what was asked can't be done on this node
            └── PeerError  (3)   who is asked over the network does not answer, or won't

Whatever is not an OperatorError is a bug: its traceback is shown and the exit code is 1.
"""

from __future__ import annotations

from typing import ClassVar


class OperatorError(Exception):
    """A problem in the words of the person who runs the program, and what to do about it."""

    exit_code: ClassVar[int] = 2

    def __init__(self, problem: str, *, remedy: str) -> None:
        super().__init__(f"{problem} ({remedy})")
        self.problem = problem
        self.remedy = remedy


class InputError(OperatorError):
    """An option, a file or a line that can't be used as it is; exit code 2."""

    exit_code: ClassVar[int] = 2


class NodeError(OperatorError):
    """What was asked can't be done on this node; exit code 3."""

    exit_code: ClassVar[int] = 3


class PeerError(NodeError):
    """
    Who is asked over the network, such as the kubelet, the API server or the aggregator, does not answer, or won't.

    `lasting` says that trying again at once is pointless: a permission is missing, a certificate is not to be trusted.
    """

    def __init__(self, problem: str, *, remedy: str, lasting: bool = False) -> None:
        super().__init__(problem, remedy=remedy)
        self.lasting = lasting
