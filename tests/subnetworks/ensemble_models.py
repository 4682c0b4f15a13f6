"""Modules with dropout in each of the ways that PyTorch programs write it."""

import pytest
import torch
from torch import nn
from torch.nn import functional

RATE = 0.3


class Functional(nn.Module):
    """Functional dropout, bound to the mode of the module, beside batch normalization."""

    def __init__(self):
        super().__init__()
        self.linear, self.norm = nn.Linear(8, 8), nn.BatchNorm1d(8)

    def forward(self, x):
        return functional.dropout(self.norm(self.linear(x)), RATE, self.training)


class Gate(nn.Module):
    """A module of dropout that only training calls."""

    def __init__(self):
        super().__init__()
        self.linear, self.drop = nn.Linear(8, 8), nn.Dropout(RATE)

    def forward(self, x):
        x = self.linear(x)
        return self.drop(x) if self.training else x


class DropPath(nn.Module):
    """Stochastic depth by a Bernoulli tensor of its own."""

    def __init__(self):
        super().__init__()
        self.drop_prob = RATE

    def forward(self, x):
        if not self.training:
            return x
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        return x / (1 - RATE) * x.new_empty(shape).bernoulli_(1 - RATE)


class Block(nn.Module):
    """A residual block with stochastic depth."""

    def __init__(self):
        super().__init__()
        self.linear, self.path = nn.Linear(8, 8), DropPath()

    def forward(self, x):
        return x + self.path(self.linear(x))


class Fused(nn.Module):
    """Fused attention, whose dropout is off outside of training."""

    def __init__(self):
        super().__init__()
        self.dropout = RATE
        self.project = nn.Linear(8, 24)

    def forward(self, x, causal=True):
        q, k, v = self.project(x).chunk(3, -1)
        p = self.dropout if self.training else 0.0
        return functional.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=causal)


class Attention(nn.Module):
    """Attention by hand, as libraries of language models write it; returns a mapping."""

    def __init__(self):
        super().__init__()
        self.dropout = RATE
        self.project = nn.Linear(8, 24)

    def forward(self, hidden_states):
        q, k, v = self.project(hidden_states).chunk(3, -1)
        weights = functional.softmax(q @ k.mT, dim=-1)
        weights = nn.functional.dropout(weights, p=self.dropout, training=self.training)
        return {"logits": weights @ v, "attentions": weights}


class Shifted(nn.Module):
    """A module that does more in training than dropout: it cannot be switched on."""

    def __init__(self):
        super().__init__()
        self.dropout = RATE
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        x = self.linear(x)
        return functional.dropout(x, self.dropout) + 1 if self.training else x


class Recurrent(nn.Module):
    """A recurrent network with dropout between its layers."""

    def __init__(self, kind, **options):
        super().__init__()
        self.layers = kind(8, 6, num_layers=3, dropout=RATE, **options)

    def forward(self, x):
        return self.layers(x)[0]


class SelfAttention(nn.Module):
    """torch's attention module, with and without the weights."""

    def __init__(self, need_weights):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, dropout=RATE, batch_first=True)
        self.need_weights = need_weights

    def forward(self, x):
        return self.attention(x, x, x, need_weights=self.need_weights)[0]


def encoder():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=RATE, batch_first=True)
    return nn.TransformerEncoder(layer, 2)


FLAT, SEQUENCES, IMAGES = (6, 8), (5, 4, 8), (3, 4, 5, 5)
MODELS = {
    "module": (lambda: nn.Sequential(nn.Linear(8, 8), nn.Dropout(RATE)), FLAT),
    "inplace": (lambda: nn.Sequential(nn.Linear(8, 8), nn.Dropout(RATE, inplace=True)), FLAT),
    "channels-1d": (lambda: nn.Dropout1d(RATE), SEQUENCES),
    "channels-2d": (lambda: nn.Dropout2d(RATE), IMAGES),
    "channels-3d": (lambda: nn.Dropout3d(RATE), (*IMAGES, 2)),
    "alpha": (lambda: nn.AlphaDropout(RATE), FLAT),
    "feature-alpha": (lambda: nn.FeatureAlphaDropout(RATE), IMAGES),
    "rrelu": (nn.RReLU, FLAT),
    "functional-dropout": (Functional, FLAT),
    "called-in-training-only": (Gate, FLAT),
    "drop-path": (Block, FLAT),
    "sdpa": (Fused, SEQUENCES),
    "hugging-face-style": (Attention, SEQUENCES),
    "transformer": (encoder, SEQUENCES),
    "mha": (lambda: SelfAttention(need_weights=False), SEQUENCES),
    "mha-with-weights": (lambda: SelfAttention(need_weights=True), SEQUENCES),
    "lstm": (lambda: Recurrent(nn.LSTM), SEQUENCES),
    "lstm-both-ways": (lambda: Recurrent(nn.LSTM, bidirectional=True, proj_size=3), SEQUENCES),
    "gru": (lambda: Recurrent(nn.GRU, batch_first=True, bias=False), SEQUENCES),
    "rnn": (lambda: Recurrent(nn.RNN, nonlinearity="relu"), SEQUENCES),
}


def feature(name, *values):
    return pytest.param(*values, id=f"predict-ensemble-{name}-noise")


def build(name):
    make, shape = MODELS[name]
    torch.manual_seed(1)
    return make().double(), torch.randn(shape, dtype=torch.float64)
