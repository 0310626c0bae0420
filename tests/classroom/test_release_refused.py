"""What a release refuses: to overwrite, to lose a file, to give a solution away."""

import json

import pytest

from classroom.manifest import MANIFEST, load
from classroom.releasing import release
from classroom.releasing.release import LeakError, learner_edition, write
from tests.support.releases import ROOT, SHORT, command, kit, remember

remembered = pytest.fixture(autouse=True, scope="module")(remember)


def test_nothing_is_overwritten_without_being_told(tmp_path, capsys):
    for name in ("learner", "learner.zip"):
        folder = tmp_path / name[-3:]
        folder.mkdir()
        (folder / name).mkdir()
        (folder / name / "mine.txt").write_text("mine")
        assert command(folder / "learner") == 1
        assert f"{name} is there already; try another OUT, or --replace" in capsys.readouterr().err
        assert [path.name for path in folder.iterdir()] == [name]
        assert command(folder / "learner", "--replace") == 1  # it would lose mine.txt
        assert (folder / name / "mine.txt").read_text() == "mine"


def test_an_old_release_is_replaced_when_told(tmp_path):
    (tmp_path / "learner").mkdir()  # an empty folder is nobody's
    assert command(tmp_path / "learner", "--manifest", SHORT) == 0
    (tmp_path / "learner" / "README.md").write_text("old")
    assert command(tmp_path / "learner", "--replace") == 0
    readme = (ROOT / "classroom" / "releasing" / "learner_readme.md").read_bytes()
    assert (tmp_path / "learner" / "README.md").read_bytes() == readme
    assert sorted(path.name for path in tmp_path.iterdir()) == ["learner", "learner.zip"]


def test_a_write_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    write({tmp_path / "out": {"a": b"old"}})
    with pytest.raises(TypeError):
        write({tmp_path / "out": {"a": "no bytes"}}, replace=True)
    assert (tmp_path / "out" / "a").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


LEAK = "dx = gamma * inv_std * (dout - dbeta / N - x_hat * (dgamma / N))"


def spoil(root, place):
    if place == "notebooks/2_batchnorm_gradient.ipynb":  # cells whose tags were lost
        text = (root / place).read_text(encoding="utf-8")
        (root / place).write_text(text.replace('"exercise-8"', '"nbval-skip"'), encoding="utf-8")
    else:
        with open(root / place, "a", encoding="utf-8") as file:
            file.write(f"\n# {LEAK}\n")


@pytest.mark.parametrize(
    "place",
    [
        "notebooks/2_batchnorm_gradient.ipynb",
        "cs231n/solver.py",
        "setup.sh",
        "classroom/releasing/learner_readme.md",
        "cs231n/pages/templates/page.html.j2",
    ],
)
def test_a_planted_leak_stops_the_release(place, tmp_path):
    root = kit(tmp_path / "kit")
    spoil(root, place)
    with pytest.raises(LeakError, match="would give a solution away"):
        release.release(load(), tmp_path / "out", root=root)
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.zip").exists()


def test_a_name_that_is_missing_stops_the_release(tmp_path, capsys):
    entries = json.loads(MANIFEST.read_text())
    entries[6]["functions"] = ["cs231n.layers.batchnorm_backwards"]
    (tmp_path / "mine.json").write_text(json.dumps(entries))
    assert command(tmp_path / "out", "--manifest", tmp_path / "mine.json") == 1
    said = capsys.readouterr().err
    assert "release: cs231n/layers.py has no function batchnorm_backwards; try batchnorm_backward" in said
    assert not (tmp_path / "out").exists()


def test_a_file_that_does_not_compile_stops_the_release(tmp_path):
    root = kit(tmp_path / "kit")
    (root / "cs231n" / "solver.py").write_text("def f(:\n")
    with pytest.raises(Exception, match="cs231n/solver.py does not compile"):
        learner_edition(load(), root)
