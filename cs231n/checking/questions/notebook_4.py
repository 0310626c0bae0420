"""The questions of notebook 4."""

from cs231n.checking.questions.kinds import Question

__all__ = ["QUESTIONS"]

QUESTIONS: dict[str, Question] = {}
