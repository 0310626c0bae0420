"""Answers in words: which cells of a notebook hold them. It needs the standard library alone."""

import re
from collections.abc import Sequence
from typing import Any

__all__ = ["ANSWER", "PLACE_FOR_WORDS", "QUESTION_IN_WORDS", "answers_in_words", "question_of"]

ANSWER = "answer"  # the tag of a cell below a question; it has the tag question-2.7 or the like too
PLACE_FOR_WORDS = "*Write your answer here: double-click this text.*"  # what a release puts into such a cell
QUESTION_IN_WORDS = re.compile(r"\*\*Question (\d{1,2}\.\d{1,2}) \(in words\)")


def question_of(tags: Sequence[Any]) -> str | None:
    """The number of the question that a cell with these tags answers, "2.7", or None."""
    numbers = [
        match[1]
        for tag in tags
        if isinstance(tag, str) and (match := re.fullmatch(r"question-(\d{1,2}\.\d{1,2})", tag))
    ]
    return numbers[0] if len(numbers) == 1 else None


def answers_in_words(notebook: Any) -> dict[str, str]:
    """{number of a question in words: the answer, "" if there is none} of one notebook.

    Args:
        notebook: as JSON has it. A learner may have changed it in any way: what is no answer is left out.
    """
    answers: dict[str, str] = {}
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    for cell in cells if isinstance(cells, list) else []:
        if not isinstance(cell, dict) or cell.get("cell_type") != "markdown":
            continue
        metadata, source = cell.get("metadata"), cell.get("source")
        lines = source if isinstance(source, list) else [source]
        text = "".join(line for line in lines if isinstance(line, str))
        for question in QUESTION_IN_WORDS.findall(text):  # its answer's cell may have been deleted
            answers.setdefault(question, "")
        tags = metadata.get("tags") if isinstance(metadata, dict) else None
        answered = question_of(tags) if isinstance(tags, list) and ANSWER in tags else None
        if answered is not None:  # a cell may have been copied, so there may be two
            text = text.replace(PLACE_FOR_WORDS, "").strip()
            answers[answered] = "\n\n".join(filter(None, [answers.get(answered, ""), text]))
    return answers
