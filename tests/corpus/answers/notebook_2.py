"""For the questions of notebook 2."""

import numpy as np

from tests.corpus.answers import Case

ANSWERS: dict[str, Case] = {
    "2.1": Case(equivalent=5.0, wrong=(20, 10)),
    "2.2": Case(equivalent=5 * (1 - 0.9**2), wrong=(0.5, 4.05)),
    "2.3": Case(equivalent=np.int64(6), wrong=(1, 18)),
    "2.4": Case(equivalent=np.array([4, 2]), wrong=((3, 1), 4)),
    "2.5": Case(
        equivalent=np.array([33, -9, 0, 9, 27]) / 8,
        wrong=([3, -1.5, 0, 1.5, 4.5], [2.625, -2.625, -1.5, -0.375, 1.875]),
    ),
    "2.6": Case(equivalent=2.625 - 2.625 - 1.5 - 0.375 + 1.875, wrong=(5, 7.5)),
    "2.7": Case(equivalent="-2 / N * (-N) * dvar", wrong=("2 * dvar / N", "-2 * dvar")),
    "2.8": Case(equivalent=2 * (-3 - 1 + 0 + 1 + 3) / 5, wrong=(2, 1)),
    "2.9": Case(
        equivalent="gamma / s * (x_hat * dgamma / 2 - x_hat * dgamma / 3)",
        wrong=("-gamma * x_hat * dgamma / (6 * s)", "gamma / s * x_hat * dgamma / 2"),
    ),
    "2.10": Case(equivalent="anywhere", wrong=("tangent", 2)),
    "2.11": Case(equivalent="w * w + (d * r)^2", wrong=("(w - r * d)**2", "w**2 + d**2")),
    "2.13": Case(equivalent=(np.array([2, 4, 6, 8]) - 5) / 3, wrong=([-3, -1, 1, 3], [-1, 0, 0, 1])),
    "2.14": Case(equivalent=(2 * 1 + 1 * 2 + 0 * 3) / 3, wrong=(2, 4)),
    "2.16": Case(equivalent="all", wrong=("three", 3)),
    "2.18": Case(equivalent="gamma * (x - x) / eps + beta", wrong=("gamma * x + beta", "0")),
    "2.19": Case(equivalent="more than 5", wrong=("35/14", 2.5)),
    "2.21": Case(equivalent="go back to 0", wrong=("sqrt(5)", "stop")),
    "2.22": Case(equivalent=np.array([-3, 1, -7, 0, 9]) / 4, wrong=([0, 1, -1, 2, 3], [0, 0, 0, 0, 0])),
    "2.23": Case(equivalent="(N * g - dbeta) / N", wrong=("g", "g + dbeta / N")),
    "2.27": Case(
        equivalent="gamma * g / r - gamma * dgamma * x_hat / (N * r)",
        wrong=("gamma * g / r", "gamma / r * (g - x_hat * dgamma)"),
    ),
    "2.28": Case(
        equivalent="gamma * (g - w * (dbeta + x_hat * dgamma)) / s",
        wrong=("gamma / s * (g - dbeta - x_hat * dgamma)", "gamma / s * (g - w * dbeta)"),
    ),
    "2.29": Case(equivalent="g / (s / gamma)", wrong=("g / s", "gamma * g")),
}
