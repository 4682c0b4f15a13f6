"""A training program of PyTorch authors, regularized by bridle, and the same one written out.

A row of the conformance matrix is a :class:`Program`: how a network is built, wrapped, run, stepped
and saved. :class:`WrittenOut` is the independent computation: the same network without bridle, with
the mask as a factor and the proximal step as a formula.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import bridle
from bridle.penalties import Penalty
from reference import mask

KEEP, STRENGTH, RATE, SEED = 0.5, 0.2, 0.1, 3
ROWS, INPUTS, HIDDEN, CLASSES = 8, 6, 24, 3
NOISE = {"body.1": bridle.Dropout(keep_prob=KEEP)}
PENALTY = {"*": bridle.L1(STRENGTH)}


class Net(nn.Module):
    """A hidden layer with ReLU, after which the noise acts, and an output layer."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(INPUTS, HIDDEN), nn.ReLU())
        self.head = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x):
        return self.head(self.body(x))


def batch(number, rows=ROWS):
    """The batch of a step: inputs and classes."""
    generator = torch.Generator().manual_seed(100 + number)
    x = torch.randn(rows, INPUTS, generator=generator)
    return x, torch.randint(CLASSES, (rows,), generator=generator)


@dataclass
class Step:
    """What a training step computed."""

    output: torch.Tensor
    gradients: dict[str, torch.Tensor]
    weights: dict[str, torch.Tensor]


class Program:
    """Plain eager training with SGD.

    Subclasses change what their name says.
    """

    noise: ClassVar[dict] = NOISE
    penalty: ClassVar[dict] = PENALTY
    options: ClassVar[dict] = {}  # of regularize
    exact_zeros = True
    penalized = True  # whether audit and resume have the penalty besides the noise

    def __init__(self, rules):
        self.rules = rules
        torch.manual_seed(0)
        self.net = self.build()
        self.optimizer = self.make_optimizer()
        self.model = self.net
        self.receipt = None
        self.prepare()

    def build(self):
        return Net()

    def make_optimizer(self):
        return torch.optim.SGD(self.net.parameters(), lr=RATE)

    def prepare(self):
        """Regularize the network, and wrap it."""
        self.regularize()

    def regularize(self):
        if self.rules:
            penalized = any(isinstance(rule, Penalty) for rule in self.rules.values())
            optimizer = self.optimizer if penalized else None
            self.receipt = bridle.regularize(
                self.net, self.rules, optimizer=optimizer, seed=SEED, **self.options
            )

    def rows(self, number):
        """The rows of a step's batch."""
        return ROWS

    def forward(self, model, x):
        return model(x)

    def loss(self, model, batch):
        x, y = batch
        return F.cross_entropy(self.forward(model, x), y)

    def gradients(self, x, y):
        """Set the gradients of the parameters; return the output."""
        self.optimizer.zero_grad()
        output = self.forward(self.model, x)
        F.cross_entropy(output, y).backward()
        return output.detach()

    def update(self):
        self.optimizer.step()

    def step(self, number):
        x, y = batch(number, self.rows(number))
        output = self.gradients(x, y)
        gradients = {name: p.grad.clone() for name, p in self.parameters()}
        self.update()
        return Step(output, gradients, self.weights())

    def parameters(self):
        return list(self.net.named_parameters())

    def weights(self):
        return {name: p.detach().clone() for name, p in self.parameters()}

    def audit(self):
        return bridle.audit(self.model, self.optimizer, batch(50), loss=self.loss)

    def break_it(self):
        """Something goes wrong: the penalty is gone, or dropout is left in evaluation mode."""
        for attached in self.receipt.attachments:
            attached.detach()
        if not self.penalized:
            self.net.body.eval()

    @classmethod
    def both(cls):
        return {**cls.noise, **(cls.penalty if cls.penalized else {})}

    def state(self):
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "receipt": self.receipt.state_dict(),
        }

    def load(self, state):
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.receipt.load_state_dict(state["receipt"])

    def written_out(self, rules):
        """The independent computation of the same training."""
        return WrittenOut(rules)


class WrittenOut:
    """The training without bridle: masks as factors, the prox as a formula."""

    def __init__(self, rules):
        self.noisy = any(not isinstance(rule, Penalty) for rule in rules.values())
        self.penalized = any(isinstance(rule, Penalty) for rule in rules.values())
        torch.manual_seed(0)
        self.net = self.build()
        self.passes = 0

    def build(self):
        return Net()

    def factor(self, rows, units=HIDDEN, first_row=0, every=1):
        """The factor of a pass, ``[rows, units]``: 0 or 1 / keep_prob; each pass has its own."""
        if not self.noisy:
            return torch.ones(rows, units)
        addresses = range(first_row, first_row + rows * every, every)
        kept = mask(SEED, self.stream(), self.passes, addresses, units, KEEP)
        self.passes += 1
        return torch.as_tensor(kept, dtype=torch.float32) / KEEP

    def stream(self):
        return 0

    def forward(self, x):
        return self.net.head(self.net.body(x) * self.factor(len(x)))

    def gradients(self, x, y):
        self.net.zero_grad()
        output = self.forward(x)
        F.cross_entropy(output, y).backward()
        return output.detach()

    @torch.no_grad()
    def update(self):
        for p in self.net.parameters():
            p -= RATE * p.grad
        self.prox()

    @torch.no_grad()
    def prox(self, rate=RATE):
        for p in self.net.parameters():
            if self.penalized and p.ndim > 1:
                p.copy_(p.sign() * (p.abs() - rate * STRENGTH).clamp(min=0))

    def step(self, number, rows):
        x, y = batch(number, rows)
        output = self.gradients(x, y)
        gradients = {name: p.grad.clone() for name, p in self.net.named_parameters()}
        self.update()
        weights = {name: p.detach().clone() for name, p in self.net.named_parameters()}
        return Step(output, gradients, weights)


# ------------------------------------------------------------------ what a cell asserts


def assert_same_step(step, expected):
    torch.testing.assert_close(step.output, expected.output, rtol=1e-5, atol=1e-6)
    for part in ("gradients", "weights"):
        found, right = getattr(step, part), getattr(expected, part)
        assert found.keys() == right.keys()
        for name, value in right.items():
            torch.testing.assert_close(
                found[name], value, rtol=1e-5, atol=1e-6, msg=lambda text, n=name: f"{n}: {text}"
            )


def check_noise(program_class, steps=3):
    """Outputs and gradients of every step are those of the masks' addresses."""
    program = program_class(program_class.noise)
    written = program.written_out(program_class.noise)
    for number in range(steps):
        expected = written.step(number, program.rows(number))
        assert_same_step(program.step(number), expected)
    free = program.written_out({})
    without = [free.step(number, program.rows(number)) for number in range(steps)][-1]
    assert not torch.allclose(without.output, expected.output), "the noise has changed nothing"


def check_penalty(program_class, steps=3):
    """The weights after every step are those of the formula, exact zeros included."""
    program = program_class(program_class.penalty)
    written = program.written_out(program_class.penalty)
    for number in range(steps):
        step = program.step(number)
        expected = written.step(number, program.rows(number))
        assert_same_step(step, expected)
    if program.exact_zeros:
        assert sum(int((w == 0).sum()) for w in expected.weights.values())
        for name, w in expected.weights.items():
            assert torch.equal(step.weights[name] == 0, w == 0)
    free = program.written_out({})
    without = [free.step(number, program.rows(number)) for number in range(steps)][-1]
    assert any(not torch.allclose(w, expected.weights[n]) for n, w in without.weights.items())


def check_audit(program_class):
    """The audit passes, and fails once something is broken."""
    program = program_class(program_class.both())
    program.step(0)
    audited = program.audit()
    assert audited.passed, str(audited)
    assert audited.noises
    assert audited.effects or not program.penalized
    program.break_it()
    assert not program.audit().passed


def check_resume(program_class):
    """A run that is saved, built anew and continued equals one that goes through."""
    rules = program_class.both()
    whole, first = program_class(rules), program_class(rules)
    for number in range(4):
        expected = whole.step(number)
    for number in range(2):
        first.step(number)
    file = io.BytesIO()
    torch.save(first.state(), file)
    file.seek(0)
    second = program_class(rules)
    second.load(torch.load(file, weights_only=False))
    second.step(2)
    assert_same_step(second.step(3), expected)


CHECKS = {
    "noise": check_noise,
    "penalty": check_penalty,
    "audit": check_audit,
    "resume": check_resume,
}
