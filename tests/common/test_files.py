"""Files that are whole or not there, whoever writes them at once."""

import threading

import pytest

from cs231n.common.files import atomic_write


def test_an_exception_leaves_the_old_file_and_no_draft(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_write(tmp_path / "a") as file:
        file.write(b"half of the n")
        raise RuntimeError
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]


def test_two_threads_may_write_the_same_path(tmp_path):
    both_are_open = threading.Barrier(2)
    errors = []

    def write(letter):
        try:
            with atomic_write(tmp_path / "a") as file:
                both_are_open.wait(10)
                file.write(letter * 100_000)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"x", b"y")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() in (b"x" * 100_000, b"y" * 100_000)
