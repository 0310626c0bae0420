"""For the questions of notebook 3."""

import math

from tests.corpus.answers import Case

ANSWERS: dict[str, Case] = {
    "3.1": Case(equivalent=3072 * 50 + 50 * 11 + 10, wrong=(154_100, 4)),
    "3.2": Case(equivalent=2 * math.log(10), wrong=(math.log(10), 2)),
    "3.5": Case(equivalent="validation", wrong=("test", 0.4)),
    "3.6": Case(equivalent="noise", wrong=("blurred", 49)),
    "3.7": Case(equivalent="about 10 %", wrong=("20 %", 0.2)),
    "3.9": Case(equivalent=0.0952381, wrong=(1 / 21, 0.1)),
    "3.10": Case(equivalent=math.ceil(math.log(0.1) / math.log(0.9)), wrong=(21, 10)),
    "3.11": Case(equivalent="the same", wrong=("momentum", "adam")),
    "3.12": Case(equivalent="(1 - b1) * (1 - b2) ^ (-1/2)", wrong=("1", "(1 - b1) / (1 - b2)")),
    "3.13": Case(equivalent="adam", wrong=("Adam", "all")),
    "3.14": Case(equivalent="1 - (1 - p) - p * (1 - q)", wrong=("(p + q) / 2", "p + q - p * q")),
    "3.15": Case(equivalent=4 * 5 + 2, wrong=(24, 12)),
    "3.16": Case(equivalent=8 - 1, wrong=(0, 8)),
    "3.17": Case(equivalent="all ten", wrong=("ten", 4)),
    "3.19": Case(equivalent="3 layers", wrong=("batchnorm", 5)),
    "3.20": Case(equivalent="c**-2", wrong=("1 / c", "1")),
    "3.21": Case(equivalent="momentum is in front", wrong=("everything", "sgd")),
    "3.23": Case(equivalent="higher", wrong=("the same", 0.3)),
    "3.25": Case(equivalent=math.ceil(math.log(0.01) / math.log(0.9)), wrong=(43, 22)),
}
