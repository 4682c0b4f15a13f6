"""Networks in which every regularizer acts, though they draw, stop or replace as they like.

Each function returns ``model, optimizer, batch, loss`` (None for the default loss).
"""

import random

import numpy as np
import torch
from audit_helpers import X, Y, mlp, sgd
from torch import nn
from torch.nn import functional as F  # noqa: N812

import bridle

BATCH = (X, Y)


class Random(nn.Module):
    """Draws random numbers by itself, from every kind of source."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(6, 24), nn.Linear(24, 3)
        self.torch, self.numpy = torch.Generator().manual_seed(3), np.random.default_rng(3)
        self.python, self.calls = random.Random(3), 0

    def forward(self, x):
        self.calls += 1
        hidden = self.one(x).relu()
        if self.training:
            hidden = hidden + 0.1 * torch.randn(hidden.shape, dtype=hidden.dtype)
            hidden = hidden * torch.rand(hidden.shape, generator=self.torch).to(hidden)
            hidden = hidden + torch.from_numpy(self.numpy.normal(size=24)).to(hidden)
            hidden = hidden * self.python.uniform(0.5, 1.0) + random.random() + np.random.rand()
        return self.two(hidden)


def own_random_numbers():
    model = Random()
    optimizer = sgd(model)
    bridle.regularize(model, {"one": bridle.Dropout(keep_prob=0.5)})
    bridle.attach(optimizer, {"*": bridle.L1(0.1)}, model=model)
    return model, optimizer, BATCH, None


def fresh_random_numbers():
    """Each pass has new numbers that nothing can set back."""

    class Fresh(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = mlp()

        def forward(self, x):
            noise = np.random.default_rng().normal(size=tuple(x.shape))
            return self.inner(x + torch.from_numpy(noise).to(x) * self.training)

    model = Fresh()
    optimizer = sgd(model)
    bridle.regularize(model, {"*": bridle.L1(0.1)}, optimizer=optimizer)
    return model, optimizer, BATCH, None


def sampled_in_evaluation():
    class Sampled(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(6, 8), nn.Linear(4, 3)

        def forward(self, x):
            mean, spread = self.one(x).chunk(2, dim=1)
            return self.two(mean + spread.exp() * torch.randn(mean.shape, dtype=mean.dtype))

    model = Sampled()
    return model, sgd(model), BATCH, None


class Reverse(torch.autograd.Function):
    """A gradient reversal layer: not the derivative, on purpose."""

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


def gradients_replaced_on_purpose(how):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.drop, self.two = nn.Linear(6, 24), nn.Dropout(0.5), nn.Linear(24, 3)

        def forward(self, x):
            x = self.drop(self.one(x))
            if how == "reversal":
                x = Reverse.apply(x)
            elif how == "straight-through":
                x = x + (x.sign() - x).detach()
            elif how == "stop":
                x = x * x.detach().tanh()
            elif self.training:
                x = F.gumbel_softmax(x, hard=True)
            else:
                x = F.one_hot(x.argmax(1), 24).to(x)
            return self.two(x)

    model = Net()
    return model, sgd(model), BATCH, None


def attention_and_recurrence():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(10, 8, sparse=False)
            self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True)
            self.rnn = nn.LSTM(8, 8, num_layers=2, dropout=0.3, batch_first=True)
            self.head = nn.Linear(8, 3)

        def forward(self, tokens):
            return self.head(self.rnn(self.layer(self.embed(tokens)))[0][:, -1])

    model = Net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0)
    bridle.regularize(model, {"rnn": bridle.Dropout(keep_prob=0.8)})
    bridle.attach(optimizer, {"*": bridle.L2(0.1)}, model=model)
    return model, optimizer, (torch.arange(80).view(8, 10) % 10, Y[:8]), None


def dropout_module_that_only_holds_the_rate():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv, self.drop = nn.Linear(6, 18), nn.Dropout(0.5)
            self.head = nn.Linear(6, 3)

        def forward(self, x):
            q, k, v = self.qkv(x)[:, None].chunk(3, dim=-1)
            drop = self.drop.p if self.training else 0.0
            y = F.scaled_dot_product_attention(q, k, v, dropout_p=drop)
            return self.head(F.dropout(y[:, 0] + x, self.drop.p, self.training))

    model = Attention()
    return model, sgd(model), BATCH, None
