"""Digits to train on, noises, and an evaluation of its own, for the tests of training."""

from functools import cache

import torch
from sklearn.datasets import load_digits

from bridle import Dataset, DropConnect, Dropout, predict
from bridle.networks.objectives import CrossEntropy

NOISY = {"hidden_noise": Dropout(keep_prob=0.5), "weight_noise": DropConnect(keep_prob=0.9)}


@cache
def halves_of_digits():
    """Return 300 rows to train on, and 400 held-out rows."""
    X, y = load_digits(return_X_y=True)
    X, y = torch.from_numpy(X / 16).float(), torch.from_numpy(y)
    return Dataset(X[:300], y[:300]), Dataset(X[300:700], y[300:700])


def evaluated(network, data):
    """Return the mean loss and the accuracy of each member, noise off."""
    outputs = predict(network, data.X)
    loss = CrossEntropy().loss(outputs, data.y).double().mean(1)
    return loss.numpy(), (outputs.argmax(-1) == data.y).double().mean(1).numpy()
