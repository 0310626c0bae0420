"""What OUT stores of earlier runs: the seed of the hidden problems, and what each result was computed from.

It is in grading.json and not in results.json, because students get results.json, and from a digest of the
seed one can find the seed by trying many.
"""

import json
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Any

from classroom.grading import report
from cs231n.common.files import atomic_write

__all__ = ["History"]


class History:
    """The content of grading.json.

    Args:
        out: the folder of the results; nothing is written yet.
        seed: the seed of the hidden problems (default: that of the last run into out, or a new one).
    """

    def __init__(self, out: Path, seed: int | None):
        self._out, self._path = out, out / "grading.json"
        stored = json.loads(self._path.read_text()) if self._path.exists() else {}
        self.seed: int = stored["seed"] if seed is None and stored else secrets.randbits(128)
        if seed is not None:
            self.seed = seed
        self._digests: dict[str, str] = stored.get("digests", {})

    def find(
        self, student: str, digest: str, environments: Collection[dict[str, Any]]
    ) -> dict[str, Any] | None:
        """The results of a student, if they are of that digest and one of these environments."""
        results = report.read_student(self._out / "students" / student)
        if results is None or self._digests.get(student) != digest:
            return None
        return results if results["extra_data"].get("environment") in environments else None

    def save_seed(self) -> None:
        """Write it before anything is marked."""
        text = json.dumps({"seed": self.seed, "digests": self._digests}, indent=0)
        with atomic_write(self._path) as file:
            file.write(text.encode("utf-8", "backslashreplace") + b"\n")

    def save(self, student: str, digest: str) -> None:
        """Note of what the results of a student are, once they are written."""
        self._digests[student] = digest
        self.save_seed()
