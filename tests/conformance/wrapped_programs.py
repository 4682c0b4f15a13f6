"""Rows of the matrix: optimizers around other optimizers, and averages of weights."""

from __future__ import annotations

import schedulefree
import torch
from optimizer_programs import TorchOptimizer
from training_program import RATE, Program, WrittenOut


class ScheduleFree(TorchOptimizer):
    """``schedulefree.SGDScheduleFree``: the weights of the evaluation are an average."""

    penalized = False

    @staticmethod
    def make(parameters):
        optimizer = schedulefree.SGDScheduleFree(parameters, lr=RATE)
        optimizer.train()
        return optimizer


class _Wrapper:
    """An optimizer that sets the learning rate, as in many Transformer codebases."""

    def __init__(self, optimizer):
        self.optimizer = optimizer

    def step(self):
        self.optimizer.step()

    def zero_grad(self):
        self.optimizer.zero_grad()

    def state_dict(self):
        return self.optimizer.state_dict()

    def load_state_dict(self, state):
        self.optimizer.load_state_dict(state)


class Wrapped(Program):
    """A plain class around an optimizer."""

    def make_optimizer(self):
        return _Wrapper(super().make_optimizer())


class _Sam(torch.optim.Optimizer):
    """Sharpness-aware minimization in two steps (Foret et al. 2021), as it is often written."""

    def __init__(self, parameters, radius=0.05):
        super().__init__(parameters, {"radius": radius, "lr": RATE})
        self.base_optimizer = torch.optim.SGD(self.param_groups, lr=RATE)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self):
        for p in self.param_groups[0]["params"]:
            self.state[p]["before"] = p.clone()
            p.add_(p.grad, alpha=self.param_groups[0]["radius"])

    @torch.no_grad()
    def second_step(self):
        for p in self.param_groups[0]["params"]:
            p.copy_(self.state[p]["before"])
        self.base_optimizer.step()


class Sam(Program):
    """Sharpness-aware minimization in two steps, each with a forward pass."""

    def make_optimizer(self):
        return _Sam(self.net.parameters())

    def gradients(self, x, y):
        super().gradients(x, y)
        self.optimizer.first_step()
        return super().gradients(x, y)

    def update(self):
        self.optimizer.second_step()

    def written_out(self, rules):
        return _WithSam(rules)


class _WithSam(WrittenOut):
    def gradients(self, x, y):
        super().gradients(x, y)
        with torch.no_grad():
            before = [p.clone() for p in self.net.parameters()]
            for p in self.net.parameters():
                p += 0.05 * p.grad
        output = super().gradients(x, y)
        with torch.no_grad():
            self.before = before
        return output

    @torch.no_grad()
    def update(self):
        for p, before in zip(self.net.parameters(), self.before, strict=True):
            p.copy_(before)
        super().update()


class _Lookahead(torch.optim.Optimizer):
    """Lookahead (Zhang et al. 2019): after each step the weights go half of the way back."""

    def __init__(self, optimizer):
        super().__init__(optimizer.param_groups, {})
        self.optimizer = optimizer
        self.param_groups = optimizer.param_groups
        parameters = optimizer.param_groups[0]["params"]
        self.slow = [p.detach().clone() for p in parameters]

    @torch.no_grad()
    def step(self, closure=None):
        self.optimizer.step()
        for slow, fast in zip(self.slow, self.param_groups[0]["params"], strict=True):
            slow += 0.5 * (fast - slow)
            fast.copy_(slow)

    def state_dict(self):
        return {"slow": self.slow}

    def load_state_dict(self, state):
        self.slow = state["slow"]


class Lookahead(TorchOptimizer):
    """An optimizer that averages the weights after the step of another one."""

    penalized = False
    make = staticmethod(lambda parameters: _Lookahead(torch.optim.SGD(parameters, lr=RATE)))


WRAPPED = {
    "plain wrapper class": Wrapped,
    "SAM in two steps": Sam,
    "Lookahead": Lookahead,
    "schedule-free": ScheduleFree,
}
