"""python -m cs231n data."""

import pytest

from cs231n.commands import data
from cs231n.data import synthetic
from tests.support.data_search import find


@pytest.fixture(autouse=True)
def tiny_search(home, tiny, server, monkeypatch):
    """The command searches for the tiny set, which its one mirror has."""
    monkeypatch.setattr(data, "locate", lambda retry: find(home, tiny, "good", server=server, retry=retry))


def test_source_size_and_digest_are_printed(home, tiny, server, capsys):
    assert data.main() == 0
    out = capsys.readouterr().out
    path = home / "cache" / "cs231n" / "cifar-10.npy"
    for text in (
        "CIFAR-10\n  source   127.0.0.1\n",
        f"{tiny.archive.name}, {tiny.archive.size:,} bytes",
        tiny.archive.sha256,
        f"{path}\n           {path.stat().st_size:,} bytes",
        tiny.digest,
        "all as published",
    ):
        assert text in out


def test_search_that_ended_with_the_stand_in_is_repeated_at_once(home, tiny, capsys):
    assert not find(home, tiny).real
    assert data.main() == 0
    assert "all as published" in capsys.readouterr().out


def test_stand_in_is_not_called_cifar(home, tiny, monkeypatch, capsys):
    monkeypatch.setattr(data, "locate", lambda retry: find(home, tiny, retry=retry))
    assert data.main() == 0
    out, err = capsys.readouterr()
    assert out.startswith("the stand-in, not CIFAR-10\n") and "NOT CIFAR-10" in out
    assert synthetic.BANNER in err


def test_variable_that_names_nothing_is_one_line(monkeypatch, capsys):
    monkeypatch.setenv("CS231N_CIFAR10", "nowhere")
    assert data.main() == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("data: CS231N_CIFAR10=nowhere: no such file or folder")
    assert len(err.splitlines()) == 1


def test_interrupt_is_one_line(monkeypatch, capsys):
    def interrupt(retry):
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "locate", interrupt)
    assert data.main() == 130
    assert capsys.readouterr().err == "data: interrupted; run it again to continue\n"
