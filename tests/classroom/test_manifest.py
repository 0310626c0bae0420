"""The list of exercises: the two that ship are whole, and a wrong one says what is wrong."""

import json

import pytest

from classroom.manifest import (
    ManifestError,
    functions_by_file,
    learner_manifest,
    load_exercises,
    locate_function,
)
from tests.support.releases import ROOT, SHORT, write_manifest


def test_the_two_manifests_are_whole():
    exercises, short = load_exercises(), load_exercises(SHORT)
    assert [exercise.number for exercise in exercises] == list(range(1, 18))
    assert sum(exercise.points for exercise in exercises) == 100
    assert set(short) <= set(exercises) and 7 in {exercise.number for exercise in short}
    assert all(number < exercise.number for exercise in exercises for number in exercise.needs)
    assert (ROOT / "cs231n" / "exercises.json").read_text() == learner_manifest(exercises)


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


# fmt: off
ENTRY = {"number": 1, "title": "f", "points": 2, "file": "m", "functions": ["m.f"], "hint": "h", "needs": []}


@pytest.mark.parametrize(
    "entries, complaint",
    [
        ("{", "cannot read the manifest"),
        ([], "expected a list"),
        ({"number": 1}, "expected a list"),
        ([ENTRY | {"points": "2"}], "entry 1: points"),
        ([ENTRY | {"number": True}], "entry 1: number"),
        ([{k: v for k, v in ENTRY.items() if k != "hint"}], "entry 1: hint"),
        ([ENTRY | {"pionts": 1}], "pionts"),
        ([ENTRY, ENTRY], "two exercises have the number 1"),
        ([ENTRY, ENTRY | {"number": 2}], "the title 'f'"),
        ([ENTRY, ENTRY | {"number": 2, "title": "g"}], "m.f belongs to two"),
        ([ENTRY | {"functions": []}], "one function"),
        ([ENTRY | {"hint": "a\nb"}], "one line"),
        (["f"], "expected an object"),
    ],
)  # fmt: on
def test_a_wrong_manifest_says_what_is_wrong(entries, complaint, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
    with pytest.raises(ManifestError, match=complaint):
        load_exercises(path)
