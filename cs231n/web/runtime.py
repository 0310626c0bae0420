"""The files of Python for the browser: from npm and PyPI by their own clients, verified by digest.

Names, versions, sizes and digests stand in runtime.json. Verified files stay in the cache of this user.
"""

import hashlib
import json
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from cs231n.common.files import atomic_write, sha256_of
from cs231n.common.terminal import log
from cs231n.data.cache import cache_folder
from cs231n.data.clients import run_client
from cs231n.data.errors import DataError

__all__ = [
    "RUNTIMES",
    "RuntimeFile",
    "compile_archive",
    "compile_pinned",
    "find_files",
    "find_runtime",
    "load_table",
]

RUNTIMES = ("bundled", "cdn")
TABLE = Path(__file__).with_name("runtime.json")
SCRIPT = Path(__file__).with_name("compile.mjs")
SECONDS = 900  # for the client of a registry


class RuntimeFile(NamedTuple):
    """One file of the runtime, as the registry's package holds it."""

    client: str  # npm or pip
    package: str  # its name and version, as the client takes them
    member: str  # path in the package; for pip, the name of the wheel
    size: int
    sha256: str
    only: str = ""  # the runtime that needs it; "" for both

    @property
    def name(self) -> str:
        return self.member.rpartition("/")[2]


def load_table() -> dict[str, Any]:
    """runtime.json: the pinned files, and the CDN with the packages that `--runtime cdn` takes from it."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def find_runtime(runtime: str, folder: Path | None = None) -> dict[str, Path]:
    """Get the files of a runtime: from the cache, or else from the registries.

    Args:
        runtime: one of RUNTIMES.
        folder: the cache; default: `web` in the cache of this user.

    Returns:
        {name: path of the verified file}.

    Raises:
        DataError: a client is missing or fails, or a digest is wrong; the message says which.
        OSError: the cache cannot be written.
    """
    files = [RuntimeFile(**row) for row in load_table()["files"]]
    return find_files([file for file in files if file.only in ("", runtime)], folder)


def find_files(files: Sequence[RuntimeFile], folder: Path | None = None) -> dict[str, Path]:
    """As find_runtime, of any pinned files; those of one package stand together."""
    folder = folder or cache_folder() / "web"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [file for file in files if not _is_verified(folder / file.name, file)]
    for (client, package), members in groupby(missing, key=lambda file: (file.client, file.package)):
        log(f"{client}: fetching {package}")
        with tempfile.TemporaryDirectory(dir=folder, prefix="fetch-", ignore_cleanup_errors=True) as temp:
            _fetch(client, package, members, Path(temp), folder)
    return {file.name: folder / file.name for file in files}


def compile_archive(source: Path, folder: Path) -> bytes:
    """Compile a zip or wheel of Python sources: bytecode starts within a second.

    Args:
        source: the archive.
        folder: the cache, with the verified files of the runtime.

    Returns:
        A zip of bytecode, packed by gzip.

    Raises:
        DataError: Node.js is missing or fails.
    """
    node = shutil.which("node")
    if node is None:
        raise DataError("the runtime is compiled by Node.js, which is not installed; try: install Node.js")
    log(f"node: compiling {source.name}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temp:
        target = Path(temp) / "out"
        _run([node, str(SCRIPT), str(folder), str(source), str(target)], folder, f"node: {source.name}")
        return target.read_bytes()


def compile_pinned(source: Path, folder: Path) -> bytes:
    """As compile_archive, of a pinned file; the result stays in the cache."""
    inputs = [sha256_of(path) for path in (source, SCRIPT, TABLE)]
    target = folder / f"{source.stem}-{hashlib.sha256(''.join(inputs).encode()).hexdigest()[:16]}.packed"
    if not target.exists():
        content = compile_archive(source, folder)
        with atomic_write(target) as file:
            file.write(content)
    return target.read_bytes()


def _is_verified(path: Path, file: RuntimeFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size and sha256_of(path) == file.sha256


def _fetch(client: str, package: str, members: Iterable[RuntimeFile], temp: Path, folder: Path) -> None:
    """Fetch one package, and put the members that are needed into the cache."""
    if client == "npm":
        npm = shutil.which("npm")
        if npm is None:
            raise DataError(f"{package} comes from npm, which is not installed; try: install Node.js")
        # Without a network, npm would give up only after minutes.
        quick = ["--fetch-retry-mintimeout=2000", "--fetch-retry-factor=2"]
        _run([npm, "pack", package, "--ignore-scripts", "--loglevel=error", *quick], temp, f"npm: {package}")
    else:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
        _run(
            [*pip, "--no-deps", "--only-binary=:all:", "--dest", str(temp), package], temp, f"pip: {package}"
        )
    (archive,) = temp.iterdir()
    for file in members:
        content = _read_member(archive, file)
        digest = hashlib.sha256(content).hexdigest()
        if digest != file.sha256:
            wrong = f"sha256 {digest[:12]}..., not {file.sha256[:12]}..."
            raise DataError(f"{file.name} of {package} is not the pinned file: {wrong}; try again later")
        with atomic_write(folder / file.name) as out:
            out.write(content)


def _read_member(archive: Path, file: RuntimeFile) -> bytes:
    if file.client == "pip":
        return archive.read_bytes()
    with tarfile.open(archive) as tar:
        try:
            member = tar.extractfile(file.member)
        except KeyError:
            member = None
        if member is None:
            raise DataError(f"{archive.name} holds no {file.member}")
        return member.read(file.size + 1)  # no more than is expected, whatever the archive declares


def _run(command: list[str], folder: Path, what: str) -> None:
    try:
        run_client(what, command, folder, SECONDS)
    except DataError as error:
        is_node = what.startswith("node: ")
        hint = "Node.js 18 or newer" if is_node else "check the network, then the same command"
        raise DataError(f"{error}; try: {hint}") from None
