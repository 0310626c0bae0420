"""Pictures of a user's numbers: names that are no mathematics, and errors that end nothing."""

import os
import warnings
from collections.abc import Callable

__all__ = ["draw_or_warn", "literal_text"]


def literal_text(text: str, max_length: int = 60) -> str:
    """A user's text as matplotlib draws it, letter by letter: no part of it is mathematics.

    Args:
        text: a name of a folder, an exercise, a hyper-parameter or the like.
        max_length: characters; a longer text is cut in its middle.
    """
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if len(text) > max_length:
        text = f"{text[: max_length // 2]}…{text[len(text) - (max_length - 1) // 2 :]}"
    return text.replace("$", r"\$")


def draw_or_warn(
    draw: Callable[[], object], where: str, path: str | os.PathLike, numbers: str, stacklevel: int = 3
) -> bool:
    """Draw a picture; an error of any kind becomes one warning, because the numbers are in another file.

    Args:
        draw: makes the picture with matplotlib and writes it.
        where: the function that the warning names first.
        path: of the picture.
        numbers: the file that has its numbers.
        stacklevel: as of warnings.warn; 2 is the caller.

    Returns:
        Whether it was drawn.
    """
    try:
        import matplotlib

        with warnings.catch_warnings(), matplotlib.rc_context({"text.usetex": False}):
            warnings.simplefilter("ignore", UserWarning)  # a glyph that the font lacks is an empty box
            draw()
        return True
    except Exception as error:
        why = "there is no matplotlib in this Python" if isinstance(error, ImportError) else repr(error)
        why = str(error) if isinstance(error, OSError) else why
        message = f"{where}: {path} is not drawn ({why}); {numbers} has its numbers"
        warnings.warn(message, RuntimeWarning, stacklevel=stacklevel)
        return False
