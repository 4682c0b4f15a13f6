"""Optimizers with decoupled decay, written out from the papers, one step at a time."""

import torch


def decayed(w, update, share, cautious):
    """``w - u - s 1[u w ≥ 0] w``, entry by entry."""
    keeps = (update * w >= 0).to(w.dtype) if cautious else torch.ones_like(w)
    return w - update - share * keeps * w


class Momentum:
    """SGD with momentum: ``v ← μ v + g``, ``u = η v``."""

    def __init__(self, lr, momentum=0.9):
        self.lr, self.momentum, self.velocity = lr, momentum, 0.0

    def update(self, g):
        self.velocity = self.momentum * self.velocity + g
        return self.lr * self.velocity


class Adam:
    """Kingma & Ba 2015, Algorithm 1."""

    def __init__(self, lr, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.m = self.v = 0.0
        self.t = 0

    def update(self, g):
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g * g
        m_hat = self.m / (1 - self.beta1**self.t)
        v_hat = self.v / (1 - self.beta2**self.t)
        return self.lr * m_hat / (v_hat.sqrt() + self.eps)


class ScheduleFreeSGD:
    """Defazio et al. 2024, with the decay of y in the step of z; ``w`` is y, the trained weight."""

    def __init__(self, w, lr, beta=0.9):
        self.lr, self.beta = lr, beta
        self.x = self.z = w.clone()
        self.t = 0

    def step(self, y, g, share, cautious):
        self.t += 1
        update = self.lr * g
        keeps = (update * y >= 0).to(y.dtype) if cautious else torch.ones_like(y)
        self.z = self.z - update - share * keeps * y
        self.x = self.x + (self.z - self.x) / self.t
        return (1 - self.beta) * self.z + self.beta * self.x
