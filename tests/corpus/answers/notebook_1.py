"""For the questions of notebook 1."""

import numpy as np

from tests.corpus.answers import Case

ANSWERS: dict[str, Case] = {
    "1.1": Case(equivalent=-3 / 2, wrong=(1.5, 4.5)),
    "1.2": Case(equivalent="g * N / N**2", wrong=("g", "N / g")),
    "1.3": Case(equivalent="up / h**2 + (down - 2 * middle) / h**2", wrong=("(up - down) / (2 * h)", "up")),
    "1.4": Case(equivalent="falls", wrong=("rises", 3)),
    "1.5": Case(equivalent="(4 * u)**(1/3) / 2", wrong=("u**(1/3)", "u / 2")),
    "1.6": Case(equivalent=(3.5**2 - 2.5**2) - 6, wrong=(0.5, 0.1)),
    "1.7": Case(equivalent=0.0, wrong=(-1, 2)),
    "1.8": Case(equivalent=2 ** (-23 / 3), wrong=(1e-5, 0.1)),
    "1.11": Case(equivalent=3 / 4, wrong=(0.5, 0.25)),
    "1.12": Case(equivalent=np.array([False, True, False, True]), wrong=([0, 1, 0, 0], [1, 0, 1, 0])),
    "1.13": Case(equivalent=614400.0, wrong=(307200, 3072)),
    "1.15": Case(equivalent=30720.0, wrong=(3072, 10)),
    "1.16": Case(equivalent=7.0, wrong=(21, 12)),
    "1.17": Case(equivalent=1.5 - 2 * 0.5, wrong=(1.5, 2)),
    "1.18": Case(equivalent=(0.0, 6.0, 0.0, 8.0), wrong=([0, 6, 7, 8], [5, 0, 7, 0])),
    "1.19": Case(equivalent=np.log(10), wrong=(0.1, 3)),
    "1.20": Case(equivalent="1 / (1 + exp(b - a) + exp(c - a))", wrong=("exp(a)", "a / (a + b + c)")),
    "1.21": Case(equivalent="p / N - 1 / N", wrong=("p / N", "1 - p")),
    "1.22": Case(equivalent="does not fall", wrong=("rises", 0.7)),
    "1.23": Case(equivalent="circles", wrong=("straight", 2)),
}
