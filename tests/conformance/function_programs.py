"""Rows of the matrix: ``torch.func``, and several calls of ``regularize``."""

from __future__ import annotations

import copy
import io
from contextlib import nullcontext

import pytest
import torch
from torch import func, nn
from torch.nn import functional as F  # noqa: N812
from training_program import KEEP, SEED, Program, WrittenOut

import bridle
from bridle.errors import RegularizationWarning, UsageError
from bridle.modules.noise_hooks import noises_of
from bridle.penalties import Penalty

# ------------------------------------------------------------------ torch.func


class FunctionGrad(Program):
    """``torch.func.grad`` of a functional call."""

    def gradients(self, x, y):
        self.optimizer.zero_grad()
        named = {name: p.detach() for name, p in self.net.named_parameters()}
        gradients, output = self.transform(named, x, y)
        for name, p in self.net.named_parameters():
            p.grad = gradients[name].detach().reshape(p.shape)
        return output.detach()

    def transform(self, named, x, y):
        def objective(parameters):
            output = func.functional_call(self.net, parameters, (x,))
            return F.cross_entropy(output, y), output

        return func.grad(objective, has_aux=True)(named)


class FunctionVjp(FunctionGrad):
    def transform(self, named, x, y):
        def objective(parameters):
            output = func.functional_call(self.net, parameters, (x,))
            return F.cross_entropy(output, y), output

        loss, pull_back, output = func.vjp(objective, named, has_aux=True)
        return pull_back(torch.ones_like(loss))[0], output


class FunctionJacrev(FunctionGrad):
    def transform(self, named, x, y):
        def objective(parameters):
            output = func.functional_call(self.net, parameters, (x,))
            return F.cross_entropy(output, y), output

        return func.jacrev(objective, has_aux=True)(named)


class FunctionJvp(FunctionGrad):
    """The gradient of each parameter by a forward-mode product: along its own gradient.

    The directional derivative along a direction d is ⟨gradient, d⟩. The gradients themselves come
    from reverse mode on the same pass; forward mode has to agree.
    """

    def transform(self, named, x, y):
        counters = self.receipt.state_dict() if self.receipt else None
        gradients, output = super().transform(named, x, y)
        if counters:
            self.receipt.load_state_dict(counters)

        def objective(parameters):
            return F.cross_entropy(func.functional_call(self.net, parameters, (x,)), y)

        _, along = func.jvp(objective, (named,), (gradients,))
        expected = sum(g.square().sum() for g in gradients.values())
        torch.testing.assert_close(along, expected)
        return gradients, output


class FunctionVmap(FunctionGrad):
    """Per-sample gradients: ``vmap`` of ``grad``, a mask for each row."""

    def transform(self, named, x, y):
        def objective(parameters, row, label):
            output = func.functional_call(self.net, parameters, (row,))
            return F.cross_entropy(output, label), output

        each = func.vmap(
            func.grad(objective, has_aux=True), in_dims=(None, 0, 0), randomness="different"
        )
        gradients, output = each(named, x[:, None], y[:, None])
        return {name: g.mean(0) for name, g in gradients.items()}, output[:, 0]


# ------------------------------------------------------------------ places


class TwoCalls(Program):
    """Two calls of ``regularize``; the first is undone, so that the second has another stream."""

    def regularize(self):
        if any(not isinstance(rule, Penalty) for rule in self.rules.values()):
            other = bridle.regularize(self.net, {"head": bridle.Dropout(keep_prob=KEEP)}, seed=SEED)
            super().regularize()
            other.undo()
            self.stream = int(self.receipt.noises[0].counter.next_address[1])
            assert self.stream == 1
        else:
            super().regularize()

    def written_out(self, rules):
        return _SecondStream(rules)


class _SecondStream(WrittenOut):
    def stream(self):
        return 1


class Joined(Program):
    """A part with noise of its own, regularized before it became a part of the network."""

    def prepare(self):
        self.net.body.append(nn.Sequential(nn.Identity()))
        if any(not isinstance(rule, Penalty) for rule in self.rules.values()):
            bridle.regularize(self.net.body[2], {"0": bridle.Dropout(keep_prob=KEEP)}, seed=SEED)
        self.regularize()

    def state(self):
        return super().state() | {"other": [each.counter.step for each in noises_of(self.net)]}

    def load(self, state):
        super().load(state)
        for noise, step in zip(noises_of(self.net), state["other"], strict=True):
            noise.counter.step = step

    def written_out(self, rules):
        return _TwoNoises(rules)


class _TwoNoises(WrittenOut):
    number = 0

    def factor(self, *args, **kwargs):
        passes = self.passes
        self.number = 0
        first = super().factor(*args, **kwargs)
        self.passes, self.number = passes, 1
        return first * super().factor(*args, **kwargs)

    def stream(self):
        return self.number


# ------------------------------------------------------------------ copies


class DeepCopied(Program):
    """Model and optimizer are copied together, and the copy trains."""

    def prepare(self):
        self.regularize()
        self.net, self.optimizer, self.receipt = copy.deepcopy(
            (self.net, self.optimizer, self.receipt)
        )
        self.model = self.net


class Saved(Program):
    """Model and optimizer are saved in one file, and what is loaded trains."""

    def prepare(self):
        self.regularize()
        file = io.BytesIO()
        torch.save((self.net, self.optimizer, self.receipt), file)
        file.seek(0)
        self.net, self.optimizer, self.receipt = torch.load(file, weights_only=False)
        self.model = self.net


class CopiedAlone(Program):
    """The model is copied without its optimizer, which has the penalties."""

    penalized = False

    def prepare(self):
        self.regularize()
        self.net, self.receipt = copy.deepcopy((self.net, self.receipt))
        self.optimizer = self.make_optimizer()
        self.model = self.net

    def update(self):
        if not any(isinstance(rule, Penalty) for rule in self.rules.values()):
            return super().update()
        with pytest.warns(RegularizationWarning) as warned:
            super().update()
        raise UsageError(f"(a warning) {warned[0].message}")


class Replaced(Program):
    """``load_state_dict(assign=True)`` replaces the parameters that the optimizer has."""

    penalized = False

    def prepare(self):
        self.regularize()
        penalized = any(isinstance(rule, Penalty) for rule in self.rules.values())
        state = {name: value.clone() for name, value in self.net.state_dict().items()}
        with pytest.warns(RegularizationWarning) if penalized else nullcontext():
            self.net.load_state_dict(state, assign=True)
        if not penalized:
            self.optimizer = self.make_optimizer()


FUNCTIONS = {
    "torch.func.grad": FunctionGrad,
    "torch.func.vjp": FunctionVjp,
    "torch.func.jacrev": FunctionJacrev,
    "torch.func.jvp": FunctionJvp,
    "torch.func.vmap of grad": FunctionVmap,
}

PLACES = {"two calls of regularize": TwoCalls, "parts joined later": Joined}
COPIES = {
    "deepcopy of model and optimizer": DeepCopied,
    "torch.save of model and optimizer": Saved,
    "deepcopy of the model alone": CopiedAlone,
    "load_state_dict(assign=True)": Replaced,
}
