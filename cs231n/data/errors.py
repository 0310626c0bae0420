"""The two errors of the search for the data."""


class DataError(RuntimeError):
    """The data cannot be found, or cannot be trusted.

    The message is one line for a person. It may quote a server or a file: control characters
    become spaces, and beyond 600 characters it is shortened.
    """

    def __init__(self, message: str):
        line = "".join(c if c.isprintable() else " " for c in message)
        super().__init__(line if len(line) <= 600 else f"{line[:400]}...{line[-100:]}")


class CacheError(DataError):
    """The cache cannot be written, so no other source of the data can help."""
