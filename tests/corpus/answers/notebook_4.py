"""For the questions of notebook 4."""

from tests.corpus.answers import Case

ANSWERS: dict[str, Case] = {}
