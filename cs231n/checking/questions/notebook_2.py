"""The questions of notebook 2."""

from cs231n.checking.questions.kinds import Question

__all__ = ["QUESTIONS"]

QUESTIONS: dict[str, Question] = {}
