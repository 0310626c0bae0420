"""The questions of the notebooks that can be checked by code: numbers, expressions and predictions.

Questions that are answered in words are in the notebooks only, and a person reads the answers.
"""

from typing import Any

from cs231n.checking.questions import notebook_1, notebook_2, notebook_3, notebook_4, notebook_5
from cs231n.checking.questions.kinds import OPEN, Question, Response

__all__ = ["QUESTIONS", "format_response", "respond"]

QUESTIONS: dict[str, Question] = {
    **notebook_1.QUESTIONS,
    **notebook_2.QUESTIONS,
    **notebook_3.QUESTIONS,
    **notebook_4.QUESTIONS,
    **notebook_5.QUESTIONS,
}


def respond(question: str, value: Any) -> Response:
    """Check an answer, without printing.

    Raises:
        ValueError: there is no such question.
    """
    if question not in QUESTIONS:
        raise ValueError(f"there is no question {question!r} to check here; there are {', '.join(QUESTIONS)}")
    return QUESTIONS[question].respond(value)


def format_response(question: str, response: Response) -> str:
    """One or two sentences for the learner."""
    if response.status == OPEN:
        return (
            f"Question {question} is open: write your answer in place of the dots, then run this cell again."
        )
    return " ".join([f"Question {question}: {response.status}.", response.sentence]).rstrip()
