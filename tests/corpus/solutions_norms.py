"""Right solutions of batchnorm and layernorm; solutions.py says what an entry is."""

BATCHNORM_FORWARD = """
def batchnorm_forward(x, gamma, beta, bn_param):
    mode, eps, momentum = bn_param["mode"], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    N, D = x.shape
    running_mean = bn_param.get("running_mean", np.zeros(D))
    running_var = bn_param.get("running_var", np.zeros(D))
    if mode == "train":
        mu = np.mean(x, axis=0)
        var = np.var(x, axis=0)
        std = np.sqrt(var + eps)
        x_hat = (x - mu) / std
        out = gamma * x_hat + beta
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var
        bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var
        return out, (x, mu, var, std, x_hat, gamma, eps)
    x_hat = (x - running_mean) / np.sqrt(running_var + eps)
    return gamma * x_hat + beta, None
"""

BATCHNORM_STAGED = """
def NAME(dout, cache):
    x, mu, var, std, x_hat, gamma, eps = cache
    N = dout.shape[0]
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * x_hat, axis=0)
    dx_hat = dout * gamma
    dvar = np.sum(dx_hat * (x - mu), axis=0) * -0.5 * (var + eps) ** (-1.5)
    dmu = np.sum(dx_hat * (-1 / std), axis=0) + dvar * np.mean(-2 * (x - mu), axis=0)
    dx = dx_hat / std + dvar * 2 * (x - mu) / N + dmu / N
    return dx, dgamma, dbeta
"""

BATCHNORM_CLOSED = """
def NAME(dout, cache):
    x, mu, var, std, x_hat, gamma, eps = cache
    N, D = dout.shape
    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    dx = gamma / (N * std) * (N * dout - dbeta - x_hat * dgamma)
    return dx, dgamma, dbeta
"""

BATCHNORM_LOOPS = """
def NAME(dout, cache):
    x, mu, var, std, x_hat, gamma, eps = cache
    N, D = x.shape
    dx, dgamma, dbeta = np.zeros_like(x), np.zeros_like(gamma), np.zeros_like(gamma)
    for j in range(D):
        for i in range(N):
            dbeta[j] += dout[i, j]
            dgamma[j] += dout[i, j] * x_hat[i, j]
        for i in range(N):
            for k in range(N):
                same = 1.0 if i == k else 0.0
                dx[i, j] += dout[k, j] * gamma[j] / std[j] * (same - 1 / N - x_hat[i, j] * x_hat[k, j] / N)
    return dx, dgamma, dbeta
"""

BATCHNORM_GRAPH = """
def batchnorm_forward(x, gamma, beta, bn_param):
    mu = x.mean(0)
    xmu = x - mu
    sq = xmu ** 2
    var = sq.mean(0)
    sqrtvar = np.sqrt(var + bn_param.get("eps", 1e-5))
    ivar = 1. / sqrtvar
    xhat = xmu * ivar
    return gamma * xhat + beta, {"xmu": xmu, "xhat": xhat, "ivar": ivar, "sqrtvar": sqrtvar, "gamma": gamma}

def NAME(dout, cache):
    xmu, xhat, ivar, sqrtvar, gamma = (cache[k] for k in ("xmu", "xhat", "ivar", "sqrtvar", "gamma"))
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1. / sqrtvar**2 * divar
    dvar = 0.5 * 1. / sqrtvar * dsqrtvar
    dsq = 1. / N * np.ones((N, D), dout.dtype) * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    dx2 = 1. / N * np.ones((N, D), dout.dtype) * dmu
    dx = dx1 + dx2
    return dx, dgamma, dbeta
"""

NORMS = {
    "batchnorm_forward": {"plain": BATCHNORM_FORWARD},
    **{
        name: {
            style: (BATCHNORM_FORWARD if style != "graph" else "") + source.replace("NAME", name)
            for style, source in [
                ("staged", BATCHNORM_STAGED),
                ("closed", BATCHNORM_CLOSED),
                ("loops", BATCHNORM_LOOPS),
                ("graph", BATCHNORM_GRAPH),
            ]
        }
        for name in ("batchnorm_backward", "batchnorm_backward_alt")
    },
    "layernorm_forward": {
        "plain": """
def layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    mu = np.mean(x, axis=1, keepdims=True)
    var = np.var(x, axis=1, keepdims=True)
    x_hat = (x - mu) / np.sqrt(var + eps)
    out = gamma * x_hat + beta
    return out, (x_hat, gamma, np.sqrt(var + eps))
""",
        "transposed": """
def layernorm_forward(x, gamma, beta, ln_param):
    xt = x.T
    c = xt - xt.mean(axis=0)
    xh = (c / np.sqrt((c**2).mean(axis=0) + ln_param.get("eps", 1e-5))).T
    return gamma * xh + beta, (xh, gamma)
""",
    },
    "layernorm_backward": {
        "means": """
def layernorm_forward(x, gamma, beta, ln_param):
    mu, var = x.mean(1, keepdims=True), x.var(1, keepdims=True)
    std = np.sqrt(var + ln_param.get("eps", 1e-5))
    x_hat = (x - mu) / std
    return gamma * x_hat + beta, (x_hat, std, gamma)

def layernorm_backward(dout, cache):
    x_hat, std, gamma = cache
    N, D = dout.shape
    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    g = dout * gamma
    dx = (g - g.mean(axis=1, keepdims=True) - x_hat * (g * x_hat).mean(axis=1, keepdims=True)) / std
    return dx, dgamma, dbeta
""",
        "staged": """
def layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    mu, var = x.mean(1, keepdims=True), x.var(1, keepdims=True)
    x_hat = (x - mu) / np.sqrt(var + eps)
    return gamma * x_hat + beta, (x, x_hat, mu, var, eps, gamma)

def layernorm_backward(dout, cache):
    x, x_hat, mu, var, eps, gamma = cache
    N, D = x.shape
    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    dx_hat = dout * gamma
    dvar = np.sum(dx_hat * (x - mu) * -0.5 * (var + eps) ** -1.5, axis=1, keepdims=True)
    dmu = np.sum(-dx_hat / np.sqrt(var + eps), axis=1, keepdims=True)
    dx = dx_hat / np.sqrt(var + eps) + dvar * 2 * (x - mu) / D + dmu / D
    return dx, dgamma, dbeta
""",
    },
}
