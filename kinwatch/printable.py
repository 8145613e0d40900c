"""
Make text from containers harmless to a terminal.

Flow: beside show. A container chooses the names of its files and processes, and so what a person's terminal is sent.
"""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with every character that isn't printable (control, escape, bidi, surrogate) spelled out."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _spelled(character) for character in text)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
