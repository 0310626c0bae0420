"""The first cell of a notebook on Colab, from a link alone and in a Drive; a folder stands for /content."""

import json
import shutil
import subprocess

import pytest

from classroom.manifest import ManifestError
from classroom.releasing.notebooks import open_in_colab
from tests.support import ROOT
from tests.support.python import run_python

URL = "https://github.com/ada/week3"
NAME = "notebooks/1_gradient_checking.ipynb"
NOTEBOOK = (ROOT / NAME).read_text(encoding="utf-8")
LINKED = json.loads(open_in_colab(NAME, NOTEBOOK, URL))


def first_cell(notebook):
    return next("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")


@pytest.fixture
def colab(tmp_path):
    """Runs a first cell on a machine whose /content is a folder, with GitHub's repository next to it."""
    content, repository = tmp_path / "content", tmp_path / "github" / "ada" / "week3"
    content.mkdir()

    def make_kit(folder):
        shutil.copytree(ROOT / "cs231n", folder / "cs231n")
        module = folder / "cs231n" / "common" / "colab.py"
        module.write_text(module.read_text().replace('"/content"', repr(str(content))))

    def run(cell):
        cell = cell.replace("/content", str(content)).replace("https://github.com", f"{tmp_path}/github")
        code = f"{cell}\nimport cs231n; print(cs231n.__path__[0], sys.path[0], len(sys.path), sep='|')"
        return run_python(code, cwd=content, env={"PYTHONPATH": None})

    make_kit(repository)
    git = ["git", "-C", repository, "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "."]):
        subprocess.run([*git, *command], check=True)
    run.content, run.drive, run.make_kit = content, content / "drive" / "MyDrive", make_kit
    return run


def assert_works_in(done, folder):
    assert done.returncode == 0, done.stderr
    package, first, entries = done.stdout.splitlines()[-1].split("|")
    assert (package, first) == (f"{folder}/cs231n", str(folder)) and int(entries) < 12


def test_from_the_link_alone_it_fetches_the_folder_and_says_that_work_is_lost(colab):
    for _ in range(2):
        done = colab(first_cell(LINKED))
        assert_works_in(done, colab.content / "week3")
        assert "which Colab deletes when it stops" in done.stdout


def test_with_a_drive_the_folder_goes_there_once(colab):
    colab.drive.mkdir(parents=True)
    done = colab(first_cell(LINKED))
    assert done.returncode == 1 and "is now in your Drive, in the folder week3." in done.stderr
    done = colab(first_cell(LINKED))
    assert_works_in(done, colab.drive / "week3")
    assert len(done.stdout.splitlines()) == 1 and not (colab.drive / "week3" / ".git").exists()


@pytest.mark.parametrize("place", ["MyDrive/kit", "MyDrive/My courses/kit", "Shareddrives/a/b"])
@pytest.mark.parametrize("notebook", [LINKED, json.loads(NOTEBOOK)], ids=["linked", "plain"])
def test_it_is_found_in_the_drive(colab, notebook, place):
    folder = colab.content / "drive" / place
    colab.make_kit(folder)
    (colab.drive / "assignment2" / "cs231n").mkdir(parents=True)  # of the public course, with our names
    (colab.drive / "assignment2" / "cs231n" / "layers.py").touch()
    assert_works_in(colab(first_cell(notebook)), folder)


def test_two_folders_in_a_drive_are_told_apart(colab):
    folders = [colab.drive / "week3", colab.drive / "old" / "week 3"]
    for folder in folders:
        colab.make_kit(folder)
    cell = first_cell(json.loads(NOTEBOOK))
    done = colab(cell)
    assert done.returncode == 1 and "Your Drive has 2 folders" in done.stderr
    for folder in folders:
        assert f"\n{folder}\n" in done.stderr
        chosen = cell.replace('".."', repr(f"/content/{folder.relative_to(colab.content)}"))
        assert_works_in(colab(f"try:\n    exec({cell!r})\nexcept ImportError:\n    pass\n{chosen}"), folder)


def test_the_link_and_the_last_cells(tmp_path):
    title, *_, check, submit = ["".join(cell["source"]) for cell in LINKED["cells"]]
    address = f"https://colab.research.google.com/github/ada/week3/blob/main/{NAME}"
    assert title.splitlines()[2] == f"[Open in Colab]({address})" and title.startswith("# 1. ")
    assert check.startswith("check()") and "python -m cs231n submit" in submit
    assert len({cell["id"] for cell in LINKED["cells"]}) == len(LINKED["cells"])


@pytest.mark.parametrize(
    "url", ["ada/week3", "http://github.com/ada/week3", f"{URL}/tree/main", f"{URL}; ls"]
)
def test_an_address_that_is_no_repository_is_refused(url):
    with pytest.raises(ManifestError, match="try https://github.com/OWNER/REPO"):
        open_in_colab(NAME, NOTEBOOK, url)
