"""For the questions of notebook 2."""

from tests.corpus.answers import Case

ANSWERS: dict[str, Case] = {}
