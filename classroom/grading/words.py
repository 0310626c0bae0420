"""The questions in words, whose answers stand side by side for marking by hand: no points are given here.

Questions and model answers come from the kit's own solved notebooks, and the students' words from theirs,
which reader.py reads.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from classroom.releasing.notebooks import model_answers
from cs231n.checking.submission import NOTEBOOKS
from cs231n.common.files import REPOSITORY
from cs231n.common.words import QUESTION_IN_WORDS

__all__ = ["QuestionInWords", "StudentWords", "load_questions"]


class QuestionInWords(NamedTuple):
    number: str  # "2.9"
    text: str
    model_answer: str


class StudentWords(NamedTuple):
    """What one student answered."""

    answers: Mapping[str, str]  # {number of a question: words}; no entry where there are none
    faults: Sequence[str]  # notebooks that could not be read, and why


def load_questions(root: Path = REPOSITORY) -> list[QuestionInWords]:
    """The questions in words of a solved kit; none where the kit has no notebooks, as on Gradescope.

    Raises:
        ManifestError: a cell for an answer is not as it should be.
    """
    questions = []
    for name in NOTEBOOKS:
        if not (root / name).is_file():
            continue
        notebook = (root / name).read_text(encoding="utf-8")
        texts = {
            match[1]: source
            for cell in json.loads(notebook)["cells"]
            if cell["cell_type"] == "markdown"
            and (match := QUESTION_IN_WORDS.search(source := "".join(cell["source"])))
        }
        for answer in model_answers(name, notebook):
            if answer.words:
                text = texts.get(answer.question, "")
                questions.append(QuestionInWords(answer.question, text, answer.words))
    return questions
