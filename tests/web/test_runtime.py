"""The files of the runtime are those of the table, or there are none."""

import hashlib
import io
import json
import os
import re
import sys
import tarfile

import pytest

from cs231n.data.errors import DataError
from cs231n.web import runtime
from tests.support import browser

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the npm of this test is a shell script")


def fake_npm(folder, monkeypatch, members):
    """Put an npm on the PATH whose `pack` leaves an archive with these members."""
    archive = folder / "archive.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\necho called >> {folder}/calls\ncp {archive} a-1.tgz\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table of one file, `package/a.js` with the content b"right"."""
    digest = hashlib.sha256(b"right").hexdigest()
    row = {"client": "npm", "package": "a@1", "member": "package/a.js", "size": 5, "sha256": digest}
    path = tmp_path / "runtime.json"
    path.write_text(json.dumps({"files": [row, {**row, "member": "package/b.js", "only": "cdn"}]}))
    monkeypatch.setattr(runtime, "TABLE", path)


def test_a_verified_file_is_fetched_once_and_again_when_it_is_damaged(table, tmp_path, monkeypatch):
    fake_npm(tmp_path, monkeypatch, {"package/a.js": b"right", "../escape": b"x"})
    cache = tmp_path / "cache"
    for _ in range(2):
        assert runtime.find_runtime("bundled", cache) == {"a.js": cache / "a.js"}
    assert (tmp_path / "calls").read_text() == "called\n"
    (cache / "a.js").write_bytes(b"wrong")
    assert runtime.find_runtime("bundled", cache)["a.js"].read_bytes() == b"right"
    assert [path.name for path in cache.iterdir()] == ["a.js"]


@pytest.mark.parametrize("content", [b"wrong", b"", b"right and more"])
def test_another_file_is_refused(table, tmp_path, monkeypatch, content):
    fake_npm(tmp_path, monkeypatch, {"package/a.js": content})
    with pytest.raises(DataError, match=r"a.js of a@1 is not the pinned file: sha256 \w{12}"):
        runtime.find_runtime("bundled", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_client_that_is_missing_or_fails_is_named(table, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="npm, which is not installed; try: install Node.js"):
        runtime.find_runtime("bundled", tmp_path / "cache")
    (tmp_path / "npm").write_text("#!/bin/sh\necho the disk is full >&2\nexit 1\n")
    (tmp_path / "npm").chmod(0o755)
    with pytest.raises(DataError, match=r"npm: a@1 failed \(the disk is full\); try: check the network"):
        runtime.find_runtime("bundled", tmp_path / "cache")


def test_the_table_pins_every_file():
    table = runtime.load_table()
    for row in table["files"]:
        file = runtime.RuntimeFile(**row)
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256) and file.size > 1000
        assert re.search(r"\w(@|==)\d+\.\d+\.\d+$", file.package)
    assert table["cdn"].startswith("https://")


@pytest.mark.parametrize(("required", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
@pytest.mark.parametrize("missing", ["chromium", "playwright"])
def test_a_missing_browser_is_no_pass_where_it_is_required(monkeypatch, required, outcome, missing):
    pytest.importorskip("playwright")
    monkeypatch.setenv("CS231N_REQUIRE_BROWSER", required)
    monkeypatch.setattr(browser, "BROWSER", None)
    if missing == "playwright":
        monkeypatch.setattr(browser, "_running", [])
        monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(outcome, match=f"needs {missing}"), browser.start_chromium():
        pass
