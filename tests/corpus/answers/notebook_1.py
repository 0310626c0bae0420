"""For the questions of notebook 1."""

from tests.corpus.answers import Case

ANSWERS: dict[str, Case] = {}
