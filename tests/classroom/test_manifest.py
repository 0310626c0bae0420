"""The list of exercises: the two that ship are whole, and a wrong one says what is wrong."""

import json

import pytest

from classroom.manifest import (
    Manifest,
    ManifestError,
    files_of,
    functions_by_file,
    learner_manifest,
    load_exercises,
    load_manifest,
    locate_function,
    total_points,
)
from tests.support.releases import ROOT, SHORT, write_manifest


def test_the_two_manifests_are_whole():
    exercises, short = load_exercises(), load_exercises(SHORT)
    assert [exercise.number for exercise in exercises] == list(range(1, 18))
    assert sum(exercise.points for exercise in exercises) == 100
    assert set(short) <= set(exercises) and 7 in {exercise.number for exercise in short}
    assert all(number < exercise.number for exercise in exercises for number in exercise.needs)
    assert (ROOT / "cs231n" / "exercises.json").read_text() == learner_manifest(exercises)


def test_sandwiches_of_a_net_are_handed_in_with_it():
    """Learners of the course add them to layer_utils.py, which holds no exercise."""
    files = {exercise.title: files_of(exercise) for exercise in load_exercises()}
    assert files["FullyConnectedNet"] == ["cs231n/classifiers/fc_net.py", "cs231n/layer_utils.py"]
    assert files["adam"] == ["cs231n/optim.py"]


def test_a_function_is_located_in_its_file(tmp_path):
    loss = "cs231n.classifiers.fc_net.TwoLayerNet.loss"
    assert locate_function(loss) == ("cs231n/classifiers/fc_net.py", "TwoLayerNet.loss")
    with pytest.raises(ManifestError, match="cs231n.layer.affine_forward lies in no file"):
        locate_function("cs231n.layer.affine_forward")
    exercises = load_exercises(write_manifest(tmp_path, 1, file="cs231n/optim.py"))
    with pytest.raises(
        ManifestError, match="affine_forward lies in cs231n/layers.py, not in cs231n/optim.py"
    ):
        functions_by_file(exercises)


def test_an_object_adds_settings_and_may_leave_the_exercises_out(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"words": {"2.9": 5}}')
    assert load_manifest(path)[:2] == (load_exercises(), {"2.9": 5})
    path.write_text(json.dumps({"exercises": json.loads(SHORT.read_text())}))
    assert load_manifest(path) == Manifest(load_exercises(SHORT))


def test_the_points_of_an_optional_exercise_are_no_part_of_the_total(tmp_path):
    first, *rest = load_exercises(SHORT)
    assert total_points([first._replace(optional=True), *rest], {"2.9": 5}) == 50 - first.points + 5
    (entry,) = json.loads(learner_manifest([first._replace(optional=True)]))
    assert entry.pop("optional") is True and [entry] == json.loads(learner_manifest([first]))


# fmt: off
ENTRY = {"number": 1, "title": "f", "points": 2, "file": "m", "functions": ["m.f"],
         "section": "notebook 2, section 4", "task": "It gets x and returns y.", "needs": []}


@pytest.mark.parametrize(
    "entries, complaint",
    [
        ("{", "cannot read the manifest"),
        ([], "expected a list"),
        (3, "expected a list"),
        ({"number": 1}, "no setting is called 'number'; it takes exercises, words"),
        ({"exercises": {}}, "exercises must be of type list"),
        ({"words": []}, "words must be of type dict"),
        ({"words": {"two": 5}}, "words: 'two' is not the number of a question; try 2.12"),
        ({"words": {"2.9": "5"}}, "words: 2.9 must be of type int or float, got '5'"),
        ({"words": {"2.9": 0}}, "'2.9' must have points above 0, got 0"),
        ([ENTRY | {"points": "2"}], "entry 1: points"),
        ([ENTRY | {"number": True}], "entry 1: number"),
        ([ENTRY | {"optional": 1}], "entry 1: optional must be of type bool, got 1"),
        ([{k: v for k, v in ENTRY.items() if k != "section"}], "entry 1: section"),
        ([{k: v for k, v in ENTRY.items() if k != "task"}], "entry 1: task"),
        ([ENTRY | {"hint": "a"}], "no field is called 'hint'"),
        ([ENTRY | {"pionts": 1}], "pionts"),
        ([ENTRY, ENTRY], "two exercises have the number 1"),
        ([ENTRY, ENTRY | {"number": 2}], "the title 'f'"),
        ([ENTRY, ENTRY | {"number": 2, "title": "g"}], "m.f belongs to two"),
        ([ENTRY | {"functions": []}], "one function"),
        ([ENTRY | {"task": "a\nb"}], "task must be one line"),
        ([ENTRY | {"notes_weight": 1.5}], "entry 1: notes_weight must be from 0 to 1, got 1.5"),
        ([ENTRY | {"section": " "}], "section must be one line"),
        (["f"], "expected an object"),
    ],
)  # fmt: on
def test_a_wrong_manifest_says_what_is_wrong(entries, complaint, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
    with pytest.raises(ManifestError, match=complaint):
        load_exercises(path)
