"""What students hand in by mistake or on purpose: a clear line for each, and no file of ours harmed."""

import os
import struct
import tracemalloc
import zipfile

import pytest

from classroom.grading import submission
from classroom.grading.submission import Submission, find_submissions, read_submission
from cs231n.checking.submission import collect
from tests.support.grading import FILES, LAYERS, OPTIM, zipped

GOOD = {name: f"# {name}\n" for name in FILES}
BUT_LAYERS = GOOD.keys() - {LAYERS}


def read(path):
    return read_submission(path, FILES)


@pytest.mark.parametrize("top", ["", "ada/", "ada/homework two/"])
@pytest.mark.parametrize("packed", [True, False], ids=["zip", "folder"])
def test_a_zip_or_a_folder_is_read_also_below_one_folder(tmp_path, top, packed):
    path = zipped(tmp_path / "ada.zip", GOOD, top)
    zipfile.ZipFile(path).extractall(tmp_path / "folder")
    assert read(path if packed else tmp_path / "folder") == Submission(GOOD, {}, [])


def test_a_zip_in_a_folder_or_in_a_zip_is_read_but_no_deeper(tmp_path):
    """As a learning platform may deliver it."""
    inner = zipped(tmp_path / "ivy" / "submission.zip", GOOD)
    result = read(tmp_path / "ivy")
    assert result.files == GOOD and result.faults == {} and "submission.zip" in result.notes[0]
    twice = zipped(tmp_path / "b.zip", {"x/submission.zip": inner.read_bytes()})
    assert read(twice).files == GOOD
    assert "none of" in read(zipped(tmp_path / "c.zip", {"b.zip": twice.read_bytes()})).faults[""]
    zipped(tmp_path / "ivy" / "older.zip", GOOD)
    result = read(tmp_path / "ivy")
    assert result.files == {} and "older.zip, submission.zip" in result.faults[""]
    (tmp_path / "dan").mkdir()
    (tmp_path / "dan" / "a.zip").write_bytes(b"no zip")
    assert "cannot be read as a zip" in read(tmp_path / "dan").faults[""]


def test_files_without_their_folders_are_read(tmp_path):
    flat = {name.rpartition("/")[2]: text for name, text in GOOD.items()}
    result = read(zipped(tmp_path / "a.zip", flat))
    assert result.files == GOOD and result.faults == {} and "by their names alone" in result.notes[0]
    result = read(zipped(tmp_path / "b.zip", {**flat, "old/layers.py": "# old"}))
    assert result.faults == {LAYERS: f"{LAYERS} is there 2 times, as layers.py and old/layers.py"}
    assert result.files.keys() == BUT_LAYERS


def test_only_files_with_exercises_are_read(tmp_path):
    more = ["cs231n/checks.py", "classroom/grading/grade.py", "__MACOSX/cs231n/layers.py", "notes"]
    assert read(zipped(tmp_path / "a.zip", {**GOOD, **dict.fromkeys(more, "")})).files == GOOD
    result = read(zipped(tmp_path / "b.zip", {"report.pdf": "x", "photo.png": "y"}))
    assert result.files == {} and "none of cs231n/layers.py, " in result.faults[""]
    assert "is in it, but photo.png, report.pdf; try: python -m cs231n submit" in result.faults[""]


def test_a_bomb_costs_no_memory(tmp_path):
    """A file of 64 MiB that is 64 kB in the zip; and one whose header lies about its size."""
    path = zipped(
        tmp_path / "bomb.zip", {name: GOOD[name] for name in BUT_LAYERS} | {LAYERS: bytes(64 << 20)}
    )
    tracemalloc.start()
    result = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.faults == {LAYERS: f"{LAYERS} is larger than 1048576 bytes"} and OPTIM in result.files
    assert peak < 2 << 20

    lying = bytearray(path.read_bytes())
    directory = lying.rindex(b"PK\x01\x02")
    lying[directory + 24 : directory + 28] = struct.pack("<I", 10)  # the size it would have unpacked
    path.write_bytes(lying)
    assert LAYERS in read(path).faults or "" in read(path).faults


@pytest.mark.parametrize("name", ["../../out.py", "/etc/out.py", "C:\\out.py", "cs231n/../../out.py"])
def test_a_path_that_leads_out_is_left_alone_and_named(tmp_path, name):
    result = read(zipped(tmp_path / "in" / "a.zip", {**GOOD, name: "x"}))
    note = f"the path {name!r} leads out of the zip; it was left alone"
    assert result == Submission(GOOD, {}, [note]) and not list(tmp_path.rglob("out.py"))
    assert read(zipped(tmp_path / "b.zip", {"../" + name: "x" for name in FILES})).files == {}


@pytest.mark.parametrize("linked", [LAYERS, "cs231n", "in a zip"])
def test_links_are_not_followed(tmp_path, linked):
    (tmp_path / "cs231n").mkdir()
    (tmp_path / LAYERS).write_text("solution")
    path = tmp_path / "ada"
    if linked == "in a zip":
        entry = zipfile.ZipInfo(LAYERS)
        entry.external_attr = 0o120777 << 16
        zipped(path, {entry: str(tmp_path / LAYERS)})
    else:
        (path / linked).parent.mkdir(parents=True)
        os.symlink(tmp_path / linked, path / linked)
    assert read(path).faults[LAYERS] == f"{LAYERS} is a link, not a file"


# fmt: off
FAULTS = {  # {what is wrong with the layers: its content, the fault}
    "latin-1": ("é".encode("latin-1"), "is not UTF-8, at byte 0; try: save it as UTF-8"),
    "utf-16": ("x = 1".encode("utf-16"), "is in UTF-16; try: save it as UTF-8"),
    "notebook": (b'{"cells": [], "nbformat": 4}',
                 "is a notebook, not a Python file; try: the file of that name from the kit"),
    "long": (b"x" * (1 << 21), "is larger than 1048576 bytes"),
    "byte order mark": (GOOD[LAYERS].encode("utf-8-sig"), None),
    "missing": (None, "is missing"),
}
# fmt: on


@pytest.mark.parametrize("content, fault", FAULTS.values(), ids=FAULTS)
def test_a_file_that_is_no_python_says_so_and_a_byte_order_mark_is_no_fault(tmp_path, content, fault):
    files = {name: text for name, text in {**GOOD, LAYERS: content}.items() if text is not None}
    result = read(zipped(tmp_path / "a.zip", files))
    assert result.faults == ({LAYERS: f"{LAYERS} {fault}"} if fault else {})
    assert result.files == {name: GOOD[name] for name in (BUT_LAYERS if fault else GOOD)}


def set_bits(at, bits):
    """One changed byte of each entry, for which zipfile raises what no other damage makes it raise."""

    def spoil(content):
        content, entry = bytearray(content), 0
        while (entry := content.find(b"PK\x01\x02", entry + 1)) > 0:
            content[entry + at] |= bits
        return bytes(content)

    return spoil


DAMAGES = {
    "empty": lambda content: b"",
    "text": lambda content: b"no zip",
    "cut": lambda content: content[: len(content) // 2],
    "flipped": lambda content: content.replace(b"# cs231n/layers.py", b"# cs231n/LAYERS.py", 1),
    "version": set_bits(6, 99),
    "patched": set_bits(8, 0x20),
    "encrypted": set_bits(8, 0x40),
}


@pytest.mark.parametrize("spoil", DAMAGES.values(), ids=DAMAGES)
def test_a_broken_zip_says_so(tmp_path, spoil):
    path = zipped(tmp_path / "a.zip", GOOD, compression=zipfile.ZIP_STORED)
    path.write_bytes(spoil(path.read_bytes()))
    assert "a.zip cannot be read as a zip" in read(path).faults[""]


def test_a_file_twice_a_password_and_too_many_files(tmp_path, monkeypatch):
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(LAYERS, "x = 1")
        file.writestr(LAYERS, "x = 2")
    assert read(tmp_path / "a.zip").faults[LAYERS] == f"{LAYERS} is in the zip 2 times"
    path = zipped(tmp_path / "b.zip", GOOD)
    path.write_bytes(set_bits(8, 1)(path.read_bytes()))
    assert read(path).faults[LAYERS] == f"{LAYERS} is locked with a password"
    monkeypatch.setattr(submission, "MAX_ENTRIES", 3)
    assert "more than 3" in read(zipped(tmp_path / "c.zip", GOOD)).faults[""]


@pytest.mark.parametrize("top", ["", "ada/"])
def test_a_file_edited_after_submit_is_noted_and_costs_nothing(tmp_path, top):
    files = collect()
    assert read_submission(zipped(tmp_path / "a.zip", files, top), [LAYERS, OPTIM]).notes == []
    files[LAYERS] += b"# later\n"
    result = read_submission(zipped(tmp_path / "a.zip", files, top), [LAYERS, OPTIM])
    assert result.notes == [f"{LAYERS} was edited after submit had packed it; it is marked as it is."]
    assert result.faults == {} and result.files[LAYERS].endswith("# later\n")


# fmt: off
@pytest.mark.parametrize("manifest", [
    b"", b"[" * 100_000, b"[]", b'{"files": {"cs231n/layers.py": 1}}', b"\xff", b"x" * (2 << 20)
], ids=["empty", "deep", "list", "number", "bytes", "long"])  # fmt: on
def test_a_broken_manifest_is_no_fault(tmp_path, manifest):
    zipped(tmp_path / "a.zip", {LAYERS: "x = 1", "manifest.json": manifest})
    assert read_submission(tmp_path / "a.zip", [LAYERS]) == Submission({LAYERS: "x = 1"}, {}, [])


def test_the_class_is_every_zip_and_folder(tmp_path):
    zipped(tmp_path / "ada.zip", GOOD)
    zipped(tmp_path / "...zip", GOOD)  # whose student would be ".."
    (tmp_path / "bob").mkdir()
    (tmp_path / "notes.txt").touch()
    assert list(find_submissions(tmp_path)) == ["ada", "bob"]
    (tmp_path / "ada").mkdir()
    with pytest.raises(ValueError, match="ada and ada.zip are both of ada"):
        find_submissions(tmp_path)
    with pytest.raises(ValueError, match="no .zip and no folder in"):
        find_submissions(tmp_path / "bob")
