"""The learner's road, walked by a machine: from card to card, through all notebooks.

Each walk starts from the released edition with every function unwritten. A notebook must stop at the card of
the lowest exercise that is not written, and nowhere else; once that function alone is written, it goes on.
"""

import random
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

from classroom.manifest import MANIFEST, Exercise, load_exercises
from cs231n.checking.submission import NOTEBOOKS
from tests.corpus import labelled
from tests.support.python import run_python
from tests.support.road import (
    Sources,
    Stop,
    Walk,
    is_card_of,
    kit_sources,
    make_edition,
    style_of,
    style_sources,
    write_functions,
)

SHORT = MANIFEST.with_name("exercises_short.json")
FULL = load_exercises(MANIFEST)
# As public solutions have it: no contracts, caches that are plain tuples, loops where they are affordable.
LOOPS = {"softmax_loss": "loops", "relu_backward": "loops"}
# Caches that are dicts, or hold other things in another order.
GRAPH = dict.fromkeys(["batchnorm_forward", "batchnorm_backward", "batchnorm_backward_alt"], "graph")
GRAPH["batchnorm_double_backward"] = "graph"
DROPOUT = dict.fromkeys(["dropout_forward", "dropout_backward"], "graph")
CLOSED = dict.fromkeys(
    ["affine_backward", "relu_forward", "relu_backward", "layernorm_forward", "layernorm_backward"], "closed"
)
STYLES = {"tuples-and-loops": LOOPS, "other-caches": GRAPH | DROPOUT | CLOSED}


@cache
def wrong_solutions() -> dict[str, list[tuple[str, Sources]]]:
    """{title of an exercise: (label, source of each function) of its bugs in the corpus}."""
    wrong: dict[str, list[tuple[str, Sources]]] = {exercise.title: [] for exercise in FULL}
    for title, label, source, _ in labelled():
        for exercise in FULL:
            if exercise.title == title:
                wrong[title].append((label, style_of(exercise, source)))
    return wrong


def required(exercises: Sequence[Exercise]) -> list[Exercise]:
    """Those at whose card a notebook stops while they are blank."""
    return [exercise for exercise in exercises if not exercise.optional]


def is_diagnosed(stop: Stop | None, exercise: Exercise) -> bool:
    """Whether a walk stopped at its card with a verdict of "wrong" and some words on it."""
    return is_card_of(stop, exercise) and "wrong" in stop.text and len(stop.text.split()) > 12


def walk_notebook(
    folder: Path,
    name: str,
    left: list[Exercise],
    sources_of: Callable[[Exercise], Sources] = kit_sources,
    wrong: dict[str, list] | None = None,
    up_to_last_card: bool = False,
) -> None:
    """Run one notebook to its end, in one kernel; at each card write wrong functions, then the right one."""
    with Walk(folder, name) as walk:
        stop = walk.go_on()
        while stop is not None:
            if not left or not is_card_of(stop, left[0]):
                raise stop
            assert "not implemented" in stop.text or "not written" in stop.text, stop.text
            exercise = left.pop(0)
            for label, sources in (wrong or {}).get(exercise.title, ()):
                write_functions(folder, sources)
                stop = walk.go_on()
                assert is_diagnosed(stop, exercise), f"{exercise.title}, {label}: {stop and stop.text}"
            write_functions(folder, sources_of(exercise))
            if up_to_last_card and (
                not left or left[0].section.split(",")[0] != exercise.section.split(",")[0]
            ):
                stop = walk.go_on(cells=1)
                assert stop is None, stop
                return
            stop = walk.go_on()


def walk_from_the_top(folder: Path, name: str, left: list[Exercise], sources_of: Callable) -> None:
    """The same in a new kernel after each function."""
    while True:
        with Walk(folder, name) as walk:
            stop = walk.go_on()
        if stop is None:
            return
        if not left or not is_card_of(stop, left[0]):
            raise stop
        write_functions(folder, sources_of(left.pop(0)))


def write_optional(folder: Path, exercises: list[Exercise], sources_of: Callable = kit_sources) -> None:
    for exercise in exercises:
        if exercise.optional:
            write_functions(folder, sources_of(exercise))


@pytest.mark.slow
def test_a_learner_walks_from_the_first_card_to_the_last(tmp_path):
    """Without a restart, with a wrong function before each right one: it stops at its own card."""
    folder, left = make_edition(tmp_path / "edition", FULL), required(FULL)
    one_wrong = {title: random.Random(231).sample(rows, 1) for title, rows in wrong_solutions().items()}
    for name in NOTEBOOKS[:2]:
        walk_notebook(folder, name, left, wrong=one_wrong)
    walk_notebook(folder, NOTEBOOKS[2], left, wrong=one_wrong, up_to_last_card=True)
    assert not left
    walk_notebook(folder, NOTEBOOKS[4], left)  # its exercise is optional: blank, it stops nothing
    write_optional(folder, FULL)
    walk_notebook(folder, NOTEBOOKS[4], left)
    checked = run_python(["-m", "cs231n", "check"], cwd=folder, env={"PYTHONPATH": None})
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.slow
@pytest.mark.parametrize("manifest", [MANIFEST, SHORT], ids=["full", "short"])
def test_the_whole_road_from_the_top_again_and_again(tmp_path, manifest):
    exercises = load_exercises(manifest)
    folder, left = make_edition(tmp_path / "edition", exercises), required(exercises)
    for name in NOTEBOOKS:
        walk_from_the_top(folder, name, left, kit_sources)
    assert not left


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("manifest", [MANIFEST, SHORT], ids=["full", "short"])
def test_the_whole_road_in_other_styles(tmp_path, manifest, style):
    exercises = load_exercises(manifest)
    folder, left = make_edition(tmp_path / "edition", exercises), required(exercises)

    def sources_of(exercise):
        return style_sources(exercise, STYLES[style].get(exercise.title, "plain"))

    for name in NOTEBOOKS[:4]:
        walk_notebook(folder, name, left, sources_of)
    write_optional(folder, exercises, sources_of)
    walk_notebook(folder, NOTEBOOKS[4], left, sources_of)
    assert not left


@pytest.mark.slow
def test_every_known_wrong_function_stops_at_its_own_card(tmp_path):
    folder, left = make_edition(tmp_path / "edition", FULL), required(FULL)
    for name in NOTEBOOKS[:3]:
        walk_notebook(folder, name, left, wrong=wrong_solutions(), up_to_last_card=True)
    assert not left


def test_the_walker_sees_a_notebook_that_stops_elsewhere(tmp_path):
    """A function that is called above its card is a fault of the notebook, and is found."""
    folder, left = make_edition(tmp_path / "edition", FULL), required(FULL)
    path = folder / NOTEBOOKS[0]
    text = path.read_text()
    planted = (
        '"source": [\n    "from cs231n.layers import affine_forward\\n",\n    "affine_forward(1, 2, 3)\\n",\n'
    )
    assert (i := text.index('"source": [\n', text.index("import matplotlib") - 200)) > 0
    path.write_text(text[:i] + text[i:].replace('"source": [\n', planted, 1))
    with pytest.raises(Stop, match="affine_forward"):
        walk_notebook(folder, NOTEBOOKS[0], left)
    assert left == required(FULL)
