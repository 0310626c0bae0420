"""Capture and shorten what a learner's code prints while it is checked."""

import io

__all__ = ["Printed"]

SHOWN_LINES, SHOWN_CHARACTERS = 5, 500


class Printed(io.TextIOBase):
    """A stream that keeps the beginning of what is written to it, however much it is."""

    def __init__(self) -> None:
        super().__init__()
        self._text, self._lines = "", 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._lines += text.count("\n")
        self._text += text[: SHOWN_CHARACTERS - len(self._text)]
        return len(text)

    def beginning(self) -> str:
        """The first lines, and how many there are."""
        lines = self._text.rstrip("\n").split("\n")
        shown = "\n".join(lines[:SHOWN_LINES])
        more = self._lines > SHOWN_LINES or len(self._text) >= SHOWN_CHARACTERS
        return f"{shown}\n... ({self._lines} lines)" if more else shown
