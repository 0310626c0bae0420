"""Mistakes that learners make in batchnorm and layernorm; bugs.py says what a row is."""

_FORWARD_STATISTICS = [
    ("plain", "np.var(x, axis=AXIS)", "np.var(x, axis=AXIS, ddof=1)", "n-minus-1"),
    ("plain", "np.sqrt(var + eps)", "(np.sqrt(var) + eps)", "eps-outside-the-root"),
    ("plain", "np.sqrt(var + eps)", "np.sqrt(var)", "eps-left-out"),
    ("plain", "np.sqrt(var + eps)", "np.sqrt(var + 1e-5)", "eps-left-out"),
    ("plain", "np.sqrt(var + eps)", "(var + eps)", "root-missing"),
    ("plain", "np.mean(x, axis=AXIS)", "np.sum(x, axis=AXIS)", "sum-for-mean"),
    ("plain", "np.var(x, axis=AXIS)", "np.sum((x - mu)**2, axis=AXIS)", "sum-for-mean"),
    ("plain", "np.var(x, axis=AXIS)", "np.mean(x**2, axis=AXIS)", "variance-about-zero"),
    ("plain", "(x - mu) /", "x /", "mean-not-subtracted"),
    ("plain", "gamma * x_hat + beta", "x_hat + beta", "gamma-left-out"),
    ("plain", "gamma * x_hat + beta", "gamma * x_hat", "beta-left-out"),
    ("plain", "gamma * x_hat + beta", "x_hat", "scale-and-shift-left-out"),
    ("plain", "gamma * x_hat + beta", "beta * x_hat + gamma", "gamma-and-beta-swapped"),
    ("plain", "np.mean(x, axis=AXIS)", "np.mean(x)", "unknown|statistics-of-everything"),
]


def _along(axis):
    rows = [
        (style, old.replace("AXIS", axis), new.replace("AXIS", axis), kinds)
        for style, old, new, kinds in _FORWARD_STATISTICS
    ]
    if axis != "0":  # its statistics keep their axis
        rows = [
            (style, *(text.replace("axis=1", "axis=1, keepdims=True") for text in (old, new)), kinds)
            for style, old, new, kinds in rows
        ]
    return rows


_STAGED = [
    ("dmu / N", "0 * dmu", "mean-held-fixed"),
    (" + dvar * 2 * (x - mu) / N", "", "variance-held-fixed"),
    ("dx_hat / std + dvar * 2 * (x - mu) / N + dmu / N", "dx_hat / std", "statistics-held-fixed"),
    ("dx_hat / std + dvar", "dvar", "direct-path-missing"),
    ("dmu / N", "dmu", "sum-for-mean"),
    ("(x - mu) / N + dmu", "(x - mu) + dmu", "sum-for-mean"),
    ("dvar * 2 * (x - mu) / N + dmu / N", "dvar * 2 * (x - mu) + dmu", "sum-for-mean"),
    ("(x - mu) / N + dmu", "(x - mu) / (N - 1) + dmu", "n-minus-1"),
    ("dvar * 2 * (x - mu)", "dvar * (x - mu)", "slope-of-the-square"),
    ("* -0.5 *", "* -1.0 *", "slope-of-the-root"),
    ("* -0.5 *", "* 0.5 *", "sign-of-the-variance"),
    ("(-1 / std)", "(1 / std)", "sign-of-the-mean"),
    ("** (-1.5)", "** (-0.5)", "power-of-the-root"),
    ("** (-1.5)", "** (-1)", "power-of-the-root"),
    ("** (-1.5)", "** (-3)", "power-of-the-root"),
    ("dx_hat = dout * gamma", "dx_hat = dout", "gamma-left-out"),
    ("dx_hat = dout * gamma", "dx_hat = dout * gamma * gamma", "gamma-twice"),
    ("np.sum(dout * x_hat, axis=0)", "np.sum(dout * x, axis=0)", "x-for-x-hat"),
    ("np.sum(dout * x_hat, axis=0)", "np.sum(dout * (x - mu), axis=0)", "deviation-left-out"),
    ("np.sum(dout * x_hat, axis=0)", "np.mean(dout * x_hat, axis=0)", "mean-for-sum"),
    ("np.sum(dout * x_hat, axis=0)", "np.sum(dout * x_hat * gamma, axis=0)", "gamma-in-dgamma"),
    ("np.sum(dout * x_hat, axis=0)", "np.sum(dout, axis=0)", "x-hat-left-out"),
    ("dbeta = np.sum(dout, axis=0)", "dbeta = np.mean(dout, axis=0)", "mean-for-sum"),
    ("dbeta = np.sum(dout, axis=0)", "dbeta = np.sum(dout * gamma, axis=0)", "gamma-in-dbeta"),
    ("dx_hat / std + dvar", "dx_hat + dvar", "direct-path"),
    ("dx_hat / std + dvar", "dout / std + dvar", "direct-path"),
    ("np.sum(dx_hat * (x - mu), axis=0)", "np.sum(dout * (x - mu), axis=0)", "variance-path"),
    ("np.sum(dx_hat * (-1 / std), axis=0)", "np.sum(dout * (-1 / std), axis=0)", "mean-path"),
    ("np.sum(dx_hat * (-1 / std), axis=0)", "np.sum(-dx_hat, axis=0)", "mean-path"),
    ("np.sum(dx_hat * (x - mu), axis=0)", "np.mean(dx_hat * (x - mu), axis=0)", "mean-for-sum"),
    ("np.sum(dx_hat * (-1 / std), axis=0)", "np.mean(dx_hat * (-1 / std), axis=0)", "mean-for-sum"),
    ("np.sum(dx_hat * (x - mu), axis=0)", "np.sum(dx_hat * x, axis=0)", "variance-path"),
    ("dvar * 2 * (x - mu)", "dvar * 2 * x", "several-paths|mean-path|variance-path"),
    ("return dx, dgamma, dbeta", "return dx, dbeta, dgamma", "dgamma-and-dbeta-swapped"),
    ("return dx, dgamma, dbeta", "return -dx, dgamma, dbeta", "sign"),
    ("return dx, dgamma, dbeta", "return dx.T, dgamma, dbeta", "transposed"),
    ("np.sum(dout, axis=0)", "np.sum(dout, axis=1)", "shape"),
]

_CLOSED = [
    ("N * dout - dbeta -", "N * dout -", "mean-held-fixed"),
    (" - x_hat * dgamma)", ")", "variance-held-fixed"),
    ("N * dout - dbeta - x_hat * dgamma", "N * dout", "statistics-held-fixed"),
    ("(N * dout -", "(dout -", "sum-for-mean|direct-path"),
    ("gamma / (N * std)", "gamma / std", "sum-for-mean"),
    ("gamma / (N * std)", "1 / (N * std)", "gamma-left-out"),
    ("gamma / (N * std)", "gamma / N", "deviation-left-out"),
    ("gamma / (N * std)", "gamma / (N * var)", "unknown|several-paths|deviation-twice|eps-left-out"),
    ("gamma / (N * std)", "gamma / (N * (var + eps))", "deviation-twice"),
    ("gamma / (N * std)", "gamma * std / N", "variance-for-deviation"),
    ("x_hat * dgamma)", "x * dgamma)", "x-for-x-hat"),
    ("x_hat * dgamma)", "(x - mu) * dgamma)", "power-of-the-root"),
    ("dbeta - x_hat * dgamma", "dbeta + x_hat * dgamma", "sign-of-the-variance"),
    ("dout - dbeta -", "dout + dbeta -", "sign-of-the-mean"),
    ("dout - dbeta - x_hat", "dout + dbeta + x_hat", "sign-of-both"),
    ("N, D = dout.shape", "D, N = dout.shape", "features-for-batch-size"),
    ("(N * dout - dbeta", "(N * gamma * dout - dbeta", "direct-path"),
]

NORMS = {
    "batchnorm_forward": [
        *_along("0"),
        ("plain", "axis=0", "axis=1, keepdims=True", "along-the-wrong-axis"),
        (
            "plain",
            "momentum * running_mean + (1 - momentum) * mu",
            "(1 - momentum) * running_mean + momentum * mu",
            "momentum-reversed",
        ),
        (
            "plain",
            "momentum * running_var + (1 - momentum) * var",
            "(1 - momentum) * running_var + momentum * var",
            "momentum-reversed",
        ),
        ("plain", 'bn_param.get("momentum", 0.9)', "0.9", "momentum-ignored"),
        (
            "plain",
            '        bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var\n',
            "",
            "not-stored",
        ),
        ("plain", "momentum * running_mean + (1 - momentum) * mu", "mu", "past-forgotten"),
        ("plain", "momentum * running_mean + (1 - momentum) * mu", "(1 - momentum) * mu", "past-forgotten"),
        (
            "plain",
            "momentum * running_mean + (1 - momentum) * mu",
            "momentum * running_mean + mu",
            "sample-not-weighted",
        ),
        (
            "plain",
            "momentum * running_mean + (1 - momentum) * mu",
            "running_mean + (1 - momentum) * mu",
            "past-not-weighted",
        ),
        ("plain", "(1 - momentum) * var", "(1 - momentum) * var * N / (N - 1)", "n-minus-1"),
        ("plain", "(1 - momentum) * var", "(1 - momentum) * np.sqrt(var)", "deviation-stored"),
        ("plain", "(1 - momentum) * var", "(1 - momentum) * std", "deviation-stored"),
        ("plain", "(1 - momentum) * var", "(1 - momentum) * (var + eps)", "eps-in-the-memory"),
        ("plain", 'if mode == "train":', "if True:", "batch-statistics-at-test"),
        ("plain", "np.sqrt(running_var + eps)", "np.sqrt(running_var)", "eps-left-out"),
        ("plain", "np.sqrt(running_var + eps)", "(np.sqrt(running_var) + eps)", "eps-outside-the-root"),
        ("plain", "np.sqrt(running_var + eps)", "(running_var + eps)", "root-missing"),
        ("plain", "return gamma * x_hat + beta, None", "return x_hat, None", "scale-and-shift-left-out"),
        ("plain", "np.mean(x, axis=0)", "running_mean", "running-statistics-in-training"),
        (
            "plain",
            "    N, D = x.shape\n",
            "    x = x.astype(np.float64)\n    N, D = x.shape\n",
            "not-float32",
        ),
    ],
    **{
        name: [
            *((style, *row) for style, rows in [("staged", _STAGED), ("closed", _CLOSED)] for row in rows),
            ("graph", "dxmu2 = 2 * xmu", "dxmu2 = xmu", "slope-of-the-square"),
            ("graph", "dx = dx1 + dx2", "dx = dx1", "mean-held-fixed"),
            ("graph", "dx1 = dxmu1 + dxmu2", "dx1 = dxmu1", "variance-held-fixed"),
            ("graph", ", dout.dtype)", ")", "not-float32"),
            ("graph", "dmu = -1 * ", "dmu = ", "sign-of-the-mean"),
            ("graph", "dsqrtvar = -1. / ", "dsqrtvar = 1. / ", "sign-of-the-variance"),
            ("graph", "0.5 * 1. / sqrtvar", "1. / sqrtvar", "slope-of-the-root"),
            ("graph", "dx2 = 1. / N * ", "dx2 = ", "sum-for-mean"),
            ("loops", "- 1 / N - x_hat", "- x_hat", "mean-held-fixed"),
            ("loops", " - x_hat[i, j] * x_hat[k, j] / N", "", "variance-held-fixed"),
            ("loops", "x_hat[k, j] / N)", "x_hat[k, j] / (N - 1))", "n-minus-1"),
        ]
        for name in ("batchnorm_backward", "batchnorm_backward_alt")
    },
    "layernorm_forward": [
        *_along("1"),
        ("plain", "axis=1", "axis=0", "along-the-wrong-axis"),
        ("transposed", "np.sqrt((c**2)", "((c**2)", "unknown|root-missing"),
    ],
    "layernorm_backward": [
        ("means", "g - g.mean(axis=1, keepdims=True) -", "g -", "mean-held-fixed"),
        ("means", " - x_hat * (g * x_hat).mean(axis=1, keepdims=True)", "", "variance-held-fixed"),
        ("means", "g = dout * gamma", "g = dout", "gamma-left-out"),
        (
            "means",
            "(g * x_hat).mean(axis=1, keepdims=True)) / std",
            "(g * x_hat).mean(axis=1, keepdims=True))",
            "deviation-left-out",
        ),
        ("means", "axis=1", "axis=0", "means-down-the-columns"),
        ("means", "g.mean(axis=1, keepdims=True) -", "g.mean(axis=0) -", "means-down-the-columns"),
        (
            "means",
            "(g * x_hat).mean(axis=1, keepdims=True)",
            "(g * x_hat).mean(axis=0)",
            "means-down-the-columns",
        ),
        (
            "means",
            "g = dout * gamma\n    dx = (g",
            "g = dout\n    dx = gamma * (g",
            "gamma-outside-the-means",
        ),
        ("means", "g.mean(", "g.sum(", "sum-for-mean"),
        ("means", "(g * x_hat).mean(", "(g * x_hat).sum(", "sum-for-mean"),
        ("means", "(g - g.mean", "(g + g.mean", "sign-of-the-mean"),
        ("means", "- x_hat * (g", "+ x_hat * (g", "sign-of-the-variance"),
        ("means", "(dout * x_hat).sum(axis=0)", "(dout * x_hat).sum(axis=1)", "shape"),
        ("means", "(dout * x_hat).sum(axis=0)", "(dout * x_hat).mean(axis=0)", "mean-for-sum"),
        ("means", "dbeta = dout.sum(axis=0)", "dbeta = dout.mean(axis=0)", "mean-for-sum"),
        ("means", "(dout * x_hat).sum(axis=0)", "(dout * x_hat * gamma).sum(axis=0)", "gamma-in-dgamma"),
        ("staged", "dmu / D", "0 * dmu", "mean-held-fixed"),
        ("staged", " + dvar * 2 * (x - mu) / D", "", "variance-held-fixed"),
        (
            "staged",
            "dvar * 2 * (x - mu) / D + dmu / D",
            "dvar * 2 * (x - mu) / N + dmu / N",
            "batch-size-for-features",
        ),
        ("staged", "(x - mu) / D + dmu / D", "(x - mu) / (D - 1) + dmu / D", "n-minus-1"),
        ("staged", "dvar * 2 * (x", "dvar * (x", "slope-of-the-square"),
        ("staged", "** -1.5", "** -0.5", "power-of-the-root"),
        ("staged", "* -0.5 *", "* 0.5 *", "sign-of-the-variance"),
        ("staged", "dmu / D", "dmu", "sum-for-mean"),
        ("staged", "dx_hat = dout * gamma", "dx_hat = dout", "gamma-left-out"),
        ("staged", "dx = dx_hat / np", "dx = dx_hat * np", "direct-path"),
    ],
}
