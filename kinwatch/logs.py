"""
Configure the log: structured events on standard error.

Flow: beside it. A constant event name and key-values; JSON lines for a program, aligned and coloured for a terminal.
"""

from __future__ import annotations

import sys

import structlog


def configure() -> None:
    """Log to standard error, so that standard output holds results alone."""
    on_terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=True) if on_terminal else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
