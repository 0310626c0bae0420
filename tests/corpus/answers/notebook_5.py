"""For the questions of notebook 5."""

from tests.corpus.answers import Case

ANSWERS: dict[str, Case] = {
    "5.1": Case(equivalent="dx * (-1 / s)", wrong=("0", "dx / s")),
    "5.2": Case(equivalent="it goes to 0", wrong=("0", "it stops")),
}
