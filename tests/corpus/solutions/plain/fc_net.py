"""Nets layer by layer, without the sandwiches of layer_utils."""

import numpy as np

from cs231n.classifiers import fc_net
from cs231n.layers import (
    affine_backward,
    affine_forward,
    batchnorm_backward,
    batchnorm_forward,
    dropout_backward,
    dropout_forward,
    layernorm_backward,
    layernorm_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
)


class TwoLayerNet(fc_net.TwoLayerNet):
    def loss(self, X, y=None):
        W1, b1, W2, b2 = self.params["W1"], self.params["b1"], self.params["W2"], self.params["b2"]
        a, fc_cache = affine_forward(X, W1, b1)
        h, relu_cache = relu_forward(a)
        scores, cache2 = affine_forward(h, W2, b2)
        if y is None:
            return scores
        loss, dscores = softmax_loss(scores, y)
        loss += 0.5 * self.reg * (np.sum(W1**2) + np.sum(W2**2))
        grads = {}
        dh, grads["W2"], grads["b2"] = affine_backward(dscores, cache2)
        da = relu_backward(dh, relu_cache)
        dx, grads["W1"], grads["b1"] = affine_backward(da, fc_cache)
        grads["W1"] += self.reg * W1
        grads["W2"] += self.reg * W2
        return loss, grads


class FullyConnectedNet(fc_net.FullyConnectedNet):
    def _scores(self, X):
        caches, h = {}, X
        L = self.num_layers
        for i in range(1, L):
            W, b = self.params[f"W{i}"], self.params[f"b{i}"]
            a, fc = affine_forward(h, W, b)
            norm = None
            if self.normalization:
                gamma, beta, param = self.params[f"gamma{i}"], self.params[f"beta{i}"], self.bn_params[i - 1]
            if self.normalization == "batchnorm":
                a, norm = batchnorm_forward(a, gamma, beta, param)
            elif self.normalization == "layernorm":
                a, norm = layernorm_forward(a, gamma, beta, param)
            h, relu = relu_forward(a)
            drop = None
            if self.use_dropout:
                h, drop = dropout_forward(h, self.dropout_param)
            caches[i] = fc, norm, relu, drop
        scores, caches[L] = affine_forward(h, self.params[f"W{L}"], self.params[f"b{L}"])
        return scores, caches

    def _loss(self, scores, caches, y):
        L, grads = self.num_layers, {}
        loss, dscores = softmax_loss(scores, y)
        dh, grads[f"W{L}"], grads[f"b{L}"] = affine_backward(dscores, caches[L])
        for i in range(L - 1, 0, -1):
            fc, norm, relu, drop = caches[i]
            if drop is not None:
                dh = dropout_backward(dh, drop)
            da = relu_backward(dh, relu)
            if self.normalization == "batchnorm":
                da, grads[f"gamma{i}"], grads[f"beta{i}"] = batchnorm_backward(da, norm)
            elif self.normalization == "layernorm":
                da, grads[f"gamma{i}"], grads[f"beta{i}"] = layernorm_backward(da, norm)
            dh, grads[f"W{i}"], grads[f"b{i}"] = affine_backward(da, fc)
        for i in range(1, L + 1):
            W = self.params[f"W{i}"]
            loss += 0.5 * self.reg * np.sum(W * W)
            grads[f"W{i}"] = grads[f"W{i}"] + self.reg * W
        return loss, grads
