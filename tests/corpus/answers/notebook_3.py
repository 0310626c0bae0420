"""For the questions of notebook 3."""

from tests.corpus.answers import Case

ANSWERS: dict[str, Case] = {}
