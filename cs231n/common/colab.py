"""Which folder a notebook works in; on Colab, where it cannot see its own place, one in the Drive."""

import shutil
import sys
from pathlib import Path

from cs231n.common.files import REPOSITORY

__all__ = ["ChooseFolder", "settle"]

CONTENT = Path("/content")  # where Colab works, with the Drive in drive/MyDrive


class ChooseFolder(ImportError):
    """It is not clear where the work is to be kept: the notebook stops, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def settle(path: list[str]) -> None:
    """Put the folder of the kit first, in place of all that the first cell of a notebook has put there.

    Args:
        path: sys.path, changed in place.

    Raises:
        ChooseFolder: the Drive has several kits, or got its first one only now. Nothing of this kit stays
            imported.
    """
    first, kit = Path(path[0]).resolve(), REPOSITORY
    added = [Path(entry) for entry in path if entry == ".." or CONTENT in Path(entry).parents]
    if not added:  # no notebook
        return
    path[:] = [str(kit), *(entry for entry in path if Path(entry) not in added)]
    drive = CONTENT / "drive"
    in_drive = [str(folder) for folder in dict.fromkeys(added) if folder.is_relative_to(drive)]
    if first == kit or len(in_drive) == 1 or CONTENT not in kit.parents:
        return
    if in_drive:
        lines = [f"Your Drive has {len(in_drive)} folders with these notebooks:", *in_drive]
        lines += ["In this cell, replace the two dots by the one that you work in. Then run the cell again."]
    elif (drive / "MyDrive").is_dir():
        shutil.copytree(kit, drive / "MyDrive" / kit.name, ignore=shutil.ignore_patterns(".git"))
        lines = [f"The assignment is now in your Drive, in the folder {kit.name}."]
        lines += ["Open this notebook from there, so that your answers are kept too."]
    else:
        print(f"You work in {kit}, which Colab deletes when it stops. To keep your work: mount your Drive")
        print("(the folder icon on the left), restart the session (menu Runtime), and run this cell again.")
        return
    for name in [name for name in sys.modules if name.split(".")[0] == "cs231n"]:
        del sys.modules[name]
    raise ChooseFolder("\n".join(lines))
