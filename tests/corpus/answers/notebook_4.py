"""For the questions of notebook 4."""

import numpy as np

from tests.corpus.answers import Case

ANSWERS: dict[str, Case] = {
    "4.1": Case(np.float32(0.1), wrong=(10, 0.5)),
    "4.2": Case("no faster", wrong=("faster", 1)),
    "4.3": Case("r**-1", wrong=("r", "1 - r")),
    "4.4": Case(np.sqrt(2) / 10, wrong=(0.2, 1.0)),
    "4.5": Case("none", wrong=("both", None)),
    "4.6": Case("(H / 2) ** -0.5", wrong=("2 / H", "sqrt(1 / H)")),
    "4.7": Case(1 / 30, wrong=(30, 0.5)),
    "4.8": Case("all three", wrong=("batchnorm", True)),
    "4.9": Case("sqrt(H * eta^2) / (alpha * sqrt(H))", wrong=("eta", "eta / (alpha * sqrt(H))")),
    "4.10": Case("none", wrong=("layernorm", 0.1)),
    "4.12": Case("all three", wrong=("twenty", 20)),
    "4.13": Case(37, wrong=(826.4, 3)),
    "4.15": Case(1e2, wrong=(10, 5)),
    "4.16": Case("neither", wrong=("all", 2)),
    "4.18": Case(np.log(0.01) / np.log(0.9), wrong=(43, 22)),
    "4.19": Case("higher", wrong=("less", 0)),
    "4.21": Case("the same", wrong=("lower", -60)),
    "4.23": Case("no difference", wrong=("both", 16)),
    "4.26": Case("sqrt(n * p * (1 - p)) / n", wrong=("sqrt(n * p * (1 - p))", "p * (1 - p) / n")),
    "4.27": Case(0.0445, wrong=(0.0222, 0.0629)),
    "4.28": Case(8 / 15, wrong=(24 / 90, 0.48)),
    "4.29": Case("car and truck", wrong=("cat", ("cat", "dog"))),
}
