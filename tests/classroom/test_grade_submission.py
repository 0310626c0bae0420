"""What students hand in by mistake or on purpose: a clear line for each, and no file of ours harmed."""

import io
import os
import struct
import zipfile

import pytest

from classroom.grading import submission
from classroom.grading.submission import read_submission, students
from tests.support.grading_class import FILES, LAYERS, OPTIM, solved, zipped

GOOD = {name: f"# {name}\n" for name in FILES}


def read(path):
    return read_submission(path, FILES)


@pytest.mark.parametrize("top", ["", "ada/", "ada/homework two/"])
def test_a_zip_or_a_folder_is_read_also_below_one_folder(tmp_path, top):
    zipped(tmp_path / "ada.zip", GOOD, top)
    zipfile.ZipFile(tmp_path / "ada.zip").extractall(tmp_path / "folder")
    for name in ("ada.zip", "folder"):
        assert read(tmp_path / name) == submission.Submission(GOOD, {}, [])


def test_a_zip_in_a_folder_is_read(tmp_path):
    """As a learning platform may deliver it; also a zip in a zip, but no deeper."""
    inner = zipped(tmp_path / "ivy" / "submission.zip", GOOD)
    found = read(tmp_path / "ivy")
    assert found.files == GOOD and found.problems == {} and "submission.zip" in found.notes[0]
    assert read(zipped(tmp_path / "b.zip", {"x/submission.zip": inner.read_bytes()})).files == GOOD
    twice = zipped(tmp_path / "c.zip", {"b.zip": (tmp_path / "b.zip").read_bytes()})
    assert "none of" in read(twice).problems[""]
    zipped(tmp_path / "ivy" / "older.zip", GOOD)
    found = read(tmp_path / "ivy")
    assert found.files == {} and "older.zip, submission.zip" in found.problems[""]
    (tmp_path / "dan").mkdir()
    (tmp_path / "dan" / "a.zip").write_bytes(b"no zip")
    assert "cannot be read as a zip" in read(tmp_path / "dan").problems[""]


def test_files_laid_flat_are_read(tmp_path):
    flat = {name.rpartition("/")[2]: text for name, text in GOOD.items()}
    found = read(zipped(tmp_path / "a.zip", flat))
    assert found.files == GOOD and found.problems == {} and "by their names alone" in found.notes[0]
    found = read(zipped(tmp_path / "b.zip", {**flat, "old/layers.py": "# old"}))
    assert found.problems == {LAYERS: f"{LAYERS} is there 2 times, as layers.py and old/layers.py"}
    assert found.files.keys() == GOOD.keys() - {LAYERS}


def test_nothing_that_is_wanted_says_what_is_there(tmp_path):
    found = read(zipped(tmp_path / "a.zip", {"report.pdf": "x", "photo.png": "y"}))
    assert found.files == {} and "none of cs231n/layers.py, " in found.problems[""]
    assert "is in it, but photo.png, report.pdf; try: python -m cs231n submit" in found.problems[""]


def test_only_what_is_wanted_is_read(tmp_path):
    more = dict.fromkeys(
        ["cs231n/checks.py", "classroom/grading/grade.py", "__MACOSX/cs231n/layers.py", "notes"], ""
    )
    assert read(zipped(tmp_path / "a.zip", {**GOOD, **more})).files == GOOD


def test_a_bomb_costs_no_memory(tmp_path, monkeypatch):
    """A file of 1 GiB, in a zip of 1 MB; and one whose header lies about its size."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in FILES:
            if name != LAYERS:
                file.writestr(name, GOOD[name])
        with file.open(LAYERS, "w", force_zip64=True) as member:
            for _ in range(64):
                member.write(bytes(1 << 20))
    longest = 0
    real = submission._limited

    class Counted(io.RawIOBase):
        def __init__(self, file):
            self.file = file

        def read(self, size=-1):
            nonlocal longest
            assert 0 < size <= 1 << 16
            content = self.file.read(size)
            longest += len(content)
            return content

    monkeypatch.setattr(submission, "_limited", lambda file, most: real(Counted(file), most))
    found = read(path)
    assert found.problems == {LAYERS: f"{LAYERS} is larger than 1048576 bytes"} and OPTIM in found.files
    assert longest < 2 << 20

    lying = bytearray(path.read_bytes())
    directory = lying.rindex(b"PK\x01\x02")
    lying[directory + 24 : directory + 28] = struct.pack("<I", 10)  # the size it would have unpacked
    path.write_bytes(lying)
    assert LAYERS in read(path).problems or "" in read(path).problems


def test_paths_that_lead_out_are_left_alone_and_named(tmp_path):
    names = ["../../out.py", "/etc/out.py", "C:\\out.py", "cs231n/../../out.py"]
    for name in names:
        found = read(zipped(tmp_path / "in" / "a.zip", {**GOOD, name: "x"}))
        assert found.files == GOOD
        assert found.notes == [f"the path {name!r} leads out of the zip; it was left alone"]
    assert not list(tmp_path.rglob("out.py"))
    assert read(zipped(tmp_path / "in" / "b.zip", {"../" + name: "x" for name in FILES})).files == {}


def test_links_are_not_followed(tmp_path):
    secret = tmp_path / "secret.py"
    secret.write_text("solution")
    link = zipfile.ZipInfo(LAYERS)
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(link, str(secret))
    assert read(tmp_path / "a.zip").problems[LAYERS] == f"{LAYERS} is a link, not a file"

    (tmp_path / "b" / "cs231n").mkdir(parents=True)
    os.symlink(secret, tmp_path / "b" / LAYERS)
    assert read(tmp_path / "b").problems[LAYERS] == f"{LAYERS} is a link, not a file"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "layers.py").write_text("solution")
    (tmp_path / "c").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "c" / "cs231n")
    assert read(tmp_path / "c").problems[LAYERS] == f"{LAYERS} is a link, not a file"


@pytest.mark.parametrize(
    "content, said",
    [
        ("é".encode("latin-1"), "is not UTF-8, at byte 0; try: save it as UTF-8"),
        ("x = 1".encode("utf-16"), "is in UTF-16; try: save it as UTF-8"),
        (
            b'{"cells": [], "nbformat": 4}',
            "is a notebook, not a Python file; try: the file of that name from the kit",
        ),
        (b"x" * (1 << 21), "is larger than 1048576 bytes"),
    ],
    ids=["latin-1", "utf-16", "notebook", "long"],
)
def test_what_is_no_python_file_says_so(tmp_path, content, said):
    found = read(zipped(tmp_path / "a.zip", {**GOOD, LAYERS: content}))
    assert found.problems == {LAYERS: f"{LAYERS} {said}"} and found.files.keys() == GOOD.keys() - {LAYERS}


def test_a_byte_order_mark_is_no_fault(tmp_path):
    assert read(zipped(tmp_path / "a.zip", {**GOOD, LAYERS: GOOD[LAYERS].encode("utf-8-sig")})).files == GOOD


def test_a_missing_file_and_one_that_is_there_twice(tmp_path):
    found = read(zipped(tmp_path / "a.zip", {LAYERS: "x = 1"}))
    assert found.problems[OPTIM] == f"{OPTIM} is missing" and found.files == {LAYERS: "x = 1"}
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        for text in ("x = 1", "x = 2"):
            file.writestr(LAYERS, text)
    assert read(tmp_path / "b.zip").problems[LAYERS] == f"{LAYERS} is in the zip 2 times"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda b: b"",
        lambda b: b"no zip",
        lambda b: b[: len(b) // 2],
        lambda b: b.replace(b"# cs231n/layers.py", b"# cs231n/LAYERS.py", 1),
    ],
    ids=["empty", "text", "cut", "flipped"],
)
def test_what_is_no_zip_says_so(tmp_path, spoil):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, text in GOOD.items():
            file.writestr(name, text)
    path.write_bytes(spoil(path.read_bytes()))
    assert "a.zip cannot be read as a zip" in read(path).problems[""]


@pytest.mark.parametrize("at, bits", [(6, 99), (8, 0x20), (8, 0x40)], ids=["version", "patched", "encrypted"])
def test_a_zip_of_a_kind_that_is_not_read_says_so(tmp_path, at, bits):
    """One changed byte, for which zipfile raises what no other damage makes it raise."""
    path = zipped(tmp_path / "a.zip", GOOD)
    content, entry = bytearray(path.read_bytes()), 0
    while (entry := content.find(b"PK\x01\x02", entry + 1)) > 0:
        content[entry + at] |= bits
    path.write_bytes(content)
    assert "a.zip cannot be read as a zip" in read(path).problems[""]


def test_a_password_and_too_many_files(tmp_path, monkeypatch):
    path = zipped(tmp_path / "a.zip", GOOD)
    content = path.read_bytes()
    entry = b"PK\x01\x02\x14\x03\x14\x00"
    path.write_bytes(content.replace(entry + b"\x00", entry + b"\x01"))
    assert read(path).problems[LAYERS] == f"{LAYERS} is locked with a password"
    monkeypatch.setattr(submission, "MANY", 3)
    assert "more than 3" in read(zipped(tmp_path / "b.zip", GOOD)).problems[""]


def test_the_digest_tells_what_differs():
    def digest(files):
        return submission.Submission(files, {}, []).digest()

    assert digest(solved()) == digest(solved()) != digest({**solved(), OPTIM: "x = 1"})


def test_the_class_is_every_zip_and_folder(tmp_path):
    zipped(tmp_path / "ada.zip", GOOD)
    zipped(tmp_path / "...zip", GOOD)  # whose student would be ".."
    (tmp_path / "bob").mkdir()
    (tmp_path / "notes.txt").touch()
    assert list(students(tmp_path)) == ["ada", "bob"]
    (tmp_path / "ada").mkdir()
    with pytest.raises(ValueError, match="ada and ada.zip are both of ada"):
        students(tmp_path)
    with pytest.raises(ValueError, match="no .zip and no folder in"):
        students(tmp_path / "bob")
