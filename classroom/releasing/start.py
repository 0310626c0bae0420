"""Write the learner's edition for one person, without a zip: what `python -m cs231n start` begins with.

It needs the standard library alone, so that only the learner's folder gets a .venv.
"""

import os
import sys
from pathlib import Path

from classroom.manifest import ManifestError, load_exercises
from classroom.releasing.release import LeakError, learner_edition, refuse_leaks, write_targets

__all__ = ["main", "write_assignment"]


def write_assignment(folder: Path) -> None:
    """Write the edition with all exercises; the folder appears whole or not at all.

    Args:
        folder: absolute; it is not there yet, or is empty.

    Raises:
        FileExistsError: something is there.
        ManifestError: the kit is not whole.
        LeakError: something of a solution would be in the folder.
        OSError: the folder cannot be written.
    """
    files, fragments = learner_edition(load_exercises())
    refuse_leaks(files, fragments)
    cache = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(cache):  # set for this command, perhaps: cs231n/data/cache.py goes on to look there
        files["datasets/cache_folder.txt"] = os.fsencode(cache)
    write_targets({folder: files})


def main(arguments: list[str]) -> int:
    """Write the edition to the folder that is named; returns the exit status."""
    folder = Path(arguments[0])
    try:
        write_assignment(folder)
    except KeyboardInterrupt:
        print("\nstart: interrupted, no folder was made; try the same command again", file=sys.stderr)
        return 130
    except LeakError:  # whose message shows the places
        print(
            "start: no folder was made, since it would hold parts of solutions; try a fresh clone of the "
            "kit, or, if you teach, python -m classroom release OUT, which says where they stand",
            file=sys.stderr,
        )
        return 1
    except ManifestError as error:
        print(f"start: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        reason = f"{error.strerror} ({error.filename})" if error.strerror else error
        print(f"start: cannot make {folder}: {reason}; try another FOLDER", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
