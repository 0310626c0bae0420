"""What students hand in by mistake or on purpose: a clear line for each, and no file of ours harmed."""

import ast
import errno
import os
import re
import struct
import tarfile
import zipfile

import pytest

from classroom.grading import submission
from classroom.grading.reader import MAX_ENTRIES
from classroom.grading.result import NotMarkedError
from classroom.grading.submission import find_submissions, list_ignored
from cs231n.checking.submission import NOTEBOOKS, collect
from tests.support.grading import EXERCISES, FILES, LAYERS, OPTIM, read, zipped
from tests.support.python import run_python

GOOD = {name: f"# {name}\n" for name in FILES}
BUT_LAYERS = GOOD.keys() - {LAYERS}


@pytest.mark.parametrize("top", ["", "ada/", "ada/homework two/"])
@pytest.mark.parametrize("packed", [True, False], ids=["zip", "folder"])
def test_a_zip_or_a_folder_is_read_also_below_one_folder(tmp_path, top, packed):
    path = zipped(tmp_path / "ada.zip", GOOD, top)
    zipfile.ZipFile(path).extractall(tmp_path / "folder")
    assert read(path if packed else tmp_path / "folder")[:3] == (GOOD, {}, [])


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
    assert result.files == GOOD and result.faults == {} and "found by their names" in result.notes[0]
    result = read(zipped(tmp_path / "b.zip", {**flat, "old/layers.py": "# old"}))
    assert result.faults == {LAYERS: f"{LAYERS} is there 2 times, as layers.py and old/layers.py"}
    assert result.files.keys() == BUT_LAYERS


@pytest.mark.parametrize("old", ["week9/", "week9/backup/"])
@pytest.mark.parametrize("new", ["week10/"])
def test_of_two_copies_none_is_guessed(old, new, tmp_path):
    """It was that of the alphabetically last: week9 over week10."""
    copies = {f"{old}{name}": f"{text}# old" for name, text in GOOD.items()}
    copies |= {f"{new}{name}": text for name, text in GOOD.items()}
    result = read(zipped(tmp_path / "a.zip", copies))
    if old == "week9/":
        fault = "a.zip: it holds two copies, week9 and week10; try: hand in one of them"
        assert result[:2] == ({}, {"": fault})
    else:
        note = "there is another copy in 'week9/backup'; it was ignored"
        assert result[:3] == (GOOD, {}, [note])


def test_two_copies_that_are_equal_are_one(tmp_path):
    copies = {f"{top}/{name}": text for name, text in GOOD.items() for top in ("a", "b", "c/d")}
    del copies[f"a/{OPTIM}"]
    assert read(zipped(tmp_path / "a.zip", copies))[:3] == (GOOD, {}, [])


def test_a_zip_of_powershell_5_is_read(tmp_path):
    """Its paths have backslashes."""
    files = {f"week10\\{name}".replace("/", "\\"): text for name, text in GOOD.items()}
    assert read(zipped(tmp_path / "a.zip", files))[:3] == (GOOD, {}, [])


TAR_MODES = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}


@pytest.mark.parametrize("ending", TAR_MODES)
def test_a_tar_is_read(ending, tmp_path):
    zipfile.ZipFile(zipped(tmp_path / "a.zip", GOOD)).extractall(tmp_path / "ada")
    (tmp_path / "ada" / "optim.py").symlink_to(OPTIM)
    path = tmp_path / f"in/bob{ending}"
    path.parent.mkdir()
    with tarfile.open(path, TAR_MODES[ending]) as archive:
        archive.add(tmp_path / "ada", ".")
    assert find_submissions(path.parent) == {"bob": path}
    assert read(path)[:3] == (GOOD, {}, [])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert read(path).faults[""].startswith(f"bob{ending} cannot be read as a tar (")


@pytest.mark.parametrize("kind", ["zip", "tar", "folder"])
def test_an_environment_of_python_beside_the_work_is_passed_over(kind, tmp_path):
    """A project was refused for its number of files, or its layers.py was there twice."""
    noise = [f"{folder}/{i}.py" for folder in (".venv", "env/lib", "cs231n/__pycache__") for i in range(5000)]
    files = {**GOOD, **dict.fromkeys(noise, ""), "env/pyvenv.cfg": "", "env/lib/cs231n/layers.py": "x = 2"}
    path = zipped(tmp_path / "a.zip", files, "hw/")
    if kind != "zip":
        path = tmp_path / "ada"
        zipfile.ZipFile(tmp_path / "a.zip").extractall(path)
    if kind == "tar":
        path = tmp_path / "ada.tgz"
        with tarfile.open(path, "w:gz") as archive:
            archive.add(tmp_path / "ada", "ada")
    assert read(path)[:3] == (GOOD, {}, [])


def test_a_link_and_a_name_of_any_bytes_in_a_folder_do_no_harm(tmp_path):
    zipfile.ZipFile(zipped(tmp_path / "a.zip", GOOD)).extractall(tmp_path / "ada")
    (tmp_path / "ada" / "\udcff.txt").touch()
    (tmp_path / "ada" / "home").symlink_to("/")
    assert read(tmp_path / "ada")[:3] == (GOOD, {}, [])


def test_only_files_with_exercises_are_read(tmp_path):
    more = ["cs231n/checks.py", "classroom/grading/grade.py", "__MACOSX/cs231n/layers.py", "notes"]
    assert read(zipped(tmp_path / "a.zip", {**GOOD, **dict.fromkeys(more, "")})).files == GOOD
    result = read(zipped(tmp_path / "b.zip", {"report.pdf": "x", "photo.png": "y"}))
    assert result.files == {} and "none of cs231n/layers.py, " in result.faults[""]
    assert "is in it, but photo.png, report.pdf; try: python -m cs231n submit" in result.faults[""]


def with_entries(count):
    """A zip with nothing but a directory, of so many files of no bytes."""
    entry = b"PK\x01\x02" + struct.pack("<HHHHHHIIIHHHHHII", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, *[0] * 6) + b"a"
    return entry * count + b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 1, 1, len(entry) * count, 0, 0)


TOO_MUCH = "a.zip cannot be read within 20 seconds and 512 MiB of memory; try: python -m cs231n submit"
# fmt: off
BOMBS = {  # {what it is: (files of the zip, the faults)}
    "a directory of 1.4 million entries": ({"b.zip": with_entries(1_400_000)}, {"": TOO_MUCH}),
    "a file of 256 MiB": ({**GOOD, LAYERS: bytes(256 << 20)},
                          {LAYERS: f"{LAYERS} is larger than 1048576 bytes"}),
    "a source that takes 1 GB to parse": ({**GOOD, LAYERS: "x\n" * (1 << 19)}, {}),
    "a manifest without end": ({**GOOD, "manifest.json": "[" * (1 << 19)}, {}),
    "a notebook without end": ({**GOOD, **dict.fromkeys(NOTEBOOKS, "[[]," * (2 << 20))}, {}),
}
# fmt: on


@pytest.mark.parametrize("files, faults", BOMBS.values(), ids=BOMBS)
def test_a_bomb_costs_the_grader_no_memory_and_little_time(files, faults, tmp_path):
    """6.7 KB of source took 74 s and 1 GB of the grader, and the first of these 612 MB at each start."""
    path = zipped(tmp_path / "a.zip", files)
    assert path.stat().st_size < 1 << 20
    done = run_python(MEASURE, env={"ARCHIVE": str(path)})
    found, peak, seconds, child_kib = ast.literal_eval(done.stdout)
    assert found == faults and peak < 8 << 20 and seconds < 2 and child_kib < 600 << 10


# In a process of its own: it knows the largest of its children, and has no other than the reader.
MEASURE = """
import os, resource, time, tracemalloc
from tests.support.grading import read
tracemalloc.start()
start = time.process_time()
result = read(os.environ["ARCHIVE"], questions=["2.1"])
seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
print((result.faults, peak, seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""


def test_a_reader_is_ended_by_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(
        submission, "READER", "from resource import *; setrlimit(RLIMIT_CPU, (1, -1))\nwhile 1: 0"
    )
    assert read(zipped(tmp_path / "a.zip", GOOD)).faults == {"": TOO_MUCH}


@pytest.mark.parametrize(
    "program, reason",
    [("1 / 0", "status 1 .ZeroDivisionError"), ("import time; time.sleep(9)", "not read within 0.1 seconds")],
)
def test_a_reader_that_fails_is_no_fault_of_the_student(program, reason, tmp_path, monkeypatch):
    monkeypatch.setattr(submission, "READER", program)
    monkeypatch.setattr(submission, "WALL_SECONDS", 0.1 if "sleep" in program else 60)
    with pytest.raises(NotMarkedError, match=f"{reason}.*; try: "):
        read(zipped(tmp_path / "a.zip", GOOD))


def test_a_zip_whose_header_lies_about_its_size_has_a_fault(tmp_path):
    path = zipped(tmp_path / "bomb.zip", {**GOOD, LAYERS: bytes(8 << 20)})
    lying = bytearray(path.read_bytes())
    directory = lying.rindex(b"PK\x01\x02")
    lying[directory + 24 : directory + 28] = struct.pack("<I", 10)  # the size it would have unpacked
    path.write_bytes(lying)
    assert LAYERS in read(path).faults or "" in read(path).faults


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO])
@pytest.mark.parametrize(
    "call, bad", [("open", "b.zip"), ("open", "ada/cs231n/layers.py"), ("scandir", "ada/cs231n")]
)
def test_an_error_of_the_disk_is_no_fault_of_the_student(call, bad, error, tmp_path, monkeypatch):
    """It was a 0, with a path of the instructor's disk on the student's page."""
    path = zipped(tmp_path / "b.zip", GOOD)
    zipfile.ZipFile(path).extractall(tmp_path / "ada")
    real = getattr(os, call)

    def fail(path, *args, **options):
        if os.fsdecode(path).endswith(bad):
            raise OSError(error, os.strerror(error), os.fsdecode(path))
        return real(path, *args, **options)

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(NotMarkedError) as raised:
        read(tmp_path / bad.partition("/")[0])
    assert re.search(rf"cannot be read here \({os.strerror(error)}.*; try: ", str(raised.value))
    assert str(tmp_path) not in str(raised.value)


def test_a_link_to_nothing_and_a_pipe_are_no_fault_of_the_student(tmp_path):
    """The pipe was waited for without end."""
    os.symlink("nowhere", tmp_path / "ada.zip")
    os.mkfifo(tmp_path / "bob.zip")
    assert list(find_submissions(tmp_path)) == ["ada", "bob"]
    for name, reason in (("ada.zip", "No such file or directory"), ("bob.zip", "it is not a file")):
        with pytest.raises(NotMarkedError, match=rf"^{name} cannot be read here \({reason}\); try: "):
            read(tmp_path / name)


def test_a_pipe_in_a_folder_is_no_file(tmp_path):
    (tmp_path / "ada" / "cs231n").mkdir(parents=True)
    os.mkfifo(tmp_path / "ada" / LAYERS)
    assert read(tmp_path / "ada").faults[LAYERS] == f"{LAYERS} is not a file"


@pytest.mark.parametrize("name", ["../../out.py", "/etc/out.py", "C:\\out.py", "cs231n/../../out.py"])
def test_a_path_that_leads_out_is_left_alone_and_named(tmp_path, name):
    result = read(zipped(tmp_path / "in" / "a.zip", {**GOOD, name: "x"}))
    note = f"the path {name!r} leads out of the archive; it was ignored"
    assert result[:3] == (GOOD, {}, [note]) and not list(tmp_path.rglob("out.py"))
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
    "not its coding": (b"# coding: ascii\n\xe9", "is not ASCII, at byte 16; try: save it as UTF-8"),
    "no coding of text": (b"# coding: zlib\n", "is not ZLIB; try: save it as UTF-8"),
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


CODINGS = {  # {source: what the child gets, in UTF-8}
    "# -*- coding: latin-1 -*-\nx = 'é'": "# -*- coding: utf-8 -*-\nx = 'é'",
    "#!/usr/bin/python\n# vim: set fileencoding=latin-1 :\n'é'": None,
    "\r\n# coding=iso-8859-15\r\n'é'": "\r\n# coding=utf-8\r\n'é'",
    "# coding: latin-1\n# coding: ascii\n'é'": None,
}


@pytest.mark.parametrize("source", CODINGS)
def test_a_file_with_a_declared_coding_is_read_as_python_reads_it(source, tmp_path):
    """PEP 263. It was a fault: not UTF-8."""
    text = read(zipped(tmp_path / "a.zip", {**GOOD, LAYERS: source.encode("latin-1")})).files[LAYERS]
    assert text == (CODINGS[source] or text)
    assert ast.dump(ast.parse(text.encode())) == ast.dump(ast.parse(source.encode("latin-1")))


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


def test_a_file_twice_a_password_and_too_many_files(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(LAYERS, "x = 1")
        file.writestr(LAYERS, "x = 2")
    assert read(tmp_path / "a.zip").faults[LAYERS] == f"{LAYERS} is in the archive 2 times"
    path = zipped(tmp_path / "b.zip", GOOD)
    path.write_bytes(set_bits(8, 1)(path.read_bytes()))
    assert read(path).faults[LAYERS] == f"{LAYERS} is locked with a password"
    many = {**GOOD, **dict.fromkeys(map(str, range(MAX_ENTRIES)), "")}
    assert (
        f"holds {len(many)} files, more than {MAX_ENTRIES}"
        in read(zipped(tmp_path / "c.zip", many)).faults[""]
    )


@pytest.mark.parametrize("top", ["", "ada/"])
def test_a_file_edited_after_submit_is_noted_and_costs_nothing(tmp_path, top):
    files = collect()
    assert read(zipped(tmp_path / "a.zip", files, top)).notes == []
    files[LAYERS] += b"# later\n"
    result = read(zipped(tmp_path / "a.zip", files, top))
    assert result.notes == [f"{LAYERS} was edited after submit had packed it; it is marked as it is."]
    assert result.faults == {} and result.files[LAYERS].endswith("# later\n")


# fmt: off
@pytest.mark.parametrize("manifest", [
    b"", b"[" * 100_000, b"[]", b'{"files": {"cs231n/layers.py": 1}}', b"\xff", b"x" * (2 << 20)
], ids=["empty", "deep", "list", "number", "bytes", "long"])  # fmt: on
def test_a_broken_manifest_is_no_fault(tmp_path, manifest):
    zipped(tmp_path / "a.zip", {LAYERS: "x = 1", "manifest.json": manifest})
    assert read(tmp_path / "a.zip", EXERCISES[:1])[:3] == ({LAYERS: "x = 1"}, {}, [])


def test_the_class_is_every_archive_and_folder(tmp_path):
    zipped(tmp_path / "ada.zip", GOOD)
    zipped(tmp_path / "...zip", GOOD)  # whose student would be ".."
    (tmp_path / "bob").mkdir()
    for name in ("notes.txt", "layers.py", "cyd.rar", "Dan.TAR.GZ", ".DS_Store"):
        (tmp_path / name).touch()
    assert sorted(find_submissions(tmp_path)) == ["Dan", "ada", "bob", "cyd"]
    assert list_ignored(tmp_path) == ["layers.py", "notes.txt"]
    with pytest.raises(NotMarkedError, match="cyd.rar is an unknown kind of archive; try: unpack it"):
        read(tmp_path / "cyd.rar")
    (tmp_path / "ada").mkdir()
    with pytest.raises(ValueError, match="ada and ada.zip both belong to ada"):
        find_submissions(tmp_path)
    (tmp_path / "bob" / "layers.py").touch()
    with pytest.raises(ValueError, match="no archive and no folder in .*bob, but layers.py; try: "):
        find_submissions(tmp_path / "bob")
