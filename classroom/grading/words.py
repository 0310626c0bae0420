"""The answers in words, side by side for marking by hand: no points are given here.

Questions and model answers come from the kit's own solved notebooks, and the students' words from theirs. A
student's notebook is text of a stranger: it is read with limits, and shown as text.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from classroom.grading.submission import read_submission
from classroom.releasing.notebooks import model_answers
from cs231n.checking.submission import NOTEBOOKS
from cs231n.common.files import REPOSITORY
from cs231n.common.words import QUESTION_IN_WORDS, answers_in_words

__all__ = ["QuestionInWords", "StudentWords", "load_questions", "read_words"]

MAX_ANSWER_CHARS = 5000  # of one answer on the page: some 800 words
MAX_NOTEBOOK_BYTES = 8 << 20  # with its pictures


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


def read_words(path: Path, questions: Sequence[QuestionInWords], label: str = "") -> StudentWords:
    """The answers of one student. Never raises for what a student did.

    Args:
        path: of the zip or folder.
        questions: those that are asked; words for any other are left out.
        label: of `read_submission`.
    """
    submission = read_submission(path, NOTEBOOKS, MAX_NOTEBOOK_BYTES, label)
    faults, answers = [*submission.faults.values()], dict[str, str]()
    for name, text in submission.files.items():
        try:
            answers |= answers_in_words(json.loads(text))
        except (ValueError, RecursionError, MemoryError):
            faults.append(f"{name} is no notebook; try: open it in Jupyter and save it")
    asked = {question.number for question in questions}
    words = {number: _printable(text) for number, text in answers.items() if number in asked and text}
    return StudentWords(words, faults)


def _printable(text: str) -> str:
    """Text for a page: lines stay, what steers a terminal or turns the direction of writing goes."""
    if len(text) > MAX_ANSWER_CHARS:
        text = f"{text[:MAX_ANSWER_CHARS]} ... (cut here: {len(text)} characters)"
    text = re.sub(r"\r\n?", "\n", text)
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)
