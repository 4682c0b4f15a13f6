"""Rows of the matrix: optimizers, and what wraps or drives them."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch.nn import functional as F  # noqa: N812
from training_program import RATE, STRENGTH, Program, Step, WrittenOut, batch

# ------------------------------------------------------------------ torch's optimizers


class TorchOptimizer(Program):
    """An optimizer of torch; written out, it is the same one, and the prox a formula."""

    make = staticmethod(lambda parameters: torch.optim.SGD(parameters, lr=RATE))

    def make_optimizer(self):
        return self.make(self.net.parameters())

    def written_out(self, rules):
        return _WithOptimizer(rules, self)


class _WithOptimizer(WrittenOut):
    def __init__(self, rules, program):
        super().__init__(rules)
        self.program = program
        self.optimizer = program.make(self.net.parameters())

    def update(self):
        self.optimizer.step()
        self.prox(self.rate())

    def rate(self):
        """The size of the proximal step."""
        group = self.optimizer.param_groups[0]
        return group["lr"] / (1 - group.get("momentum", 0))


class Momentum(TorchOptimizer):
    make = staticmethod(lambda parameters: torch.optim.SGD(parameters, lr=0.02, momentum=0.8))


class Fused(TorchOptimizer):
    make = staticmethod(lambda parameters: torch.optim.SGD(parameters, lr=RATE, fused=True))


class Maximize(TorchOptimizer):
    """The loss is maximized; the penalty still makes weights smaller."""

    make = staticmethod(lambda parameters: torch.optim.SGD(parameters, lr=RATE, maximize=True))


class AdamAdaptive(TorchOptimizer):
    """Adam, and the prox in its own metric: each weight has its step size."""

    options: ClassVar[dict] = {"metric": "adaptive"}
    make = staticmethod(lambda parameters: torch.optim.Adam(parameters, lr=1e-3, eps=1e-3))

    def written_out(self, rules):
        return _WithAdam(rules, self)


class _WithAdam(_WithOptimizer):
    @torch.no_grad()
    def update(self):
        self.optimizer.step()
        for p in self.net.parameters():
            if self.penalized and p.ndim > 1:
                state = self.optimizer.state[p]
                second = state["exp_avg_sq"] / (1 - 0.999 ** float(state["step"]))
                threshold = STRENGTH * 1e-3 / (second.sqrt() + 1e-3)
                p.copy_(p.sign() * (p.abs() - threshold).clamp(min=0))


class Lbfgs(TorchOptimizer):
    """LBFGS evaluates the loss several times a step; the penalty is coupled."""

    options: ClassVar[dict] = {"mode": "coupled"}
    exact_zeros = False
    make = staticmethod(lambda parameters: torch.optim.LBFGS(parameters, lr=0.1, max_iter=3))

    def gradients(self, x, y):
        self.batch, self.outputs = (x, y), []
        return torch.zeros(1)

    def closure(self):
        x, y = self.batch
        self.optimizer.zero_grad()
        output = self.forward(self.model, x)
        self.outputs.append(output.detach())
        loss = F.cross_entropy(output, y)
        loss.backward()
        return loss

    def update(self):
        self.optimizer.step(self.closure)

    def step(self, number):
        x, y = batch(number, self.rows(number))
        self.gradients(x, y)
        self.update()
        return Step(self.outputs[-1], {}, self.weights())

    def written_out(self, rules):
        return _WithLbfgs(rules, self)


class _WithLbfgs(_WithOptimizer):
    def step(self, number, rows):
        x, y = batch(number, rows)
        outputs = []

        def closure():
            self.optimizer.zero_grad()
            outputs.append(self.forward(x))
            loss = F.cross_entropy(outputs[-1], y)
            if self.penalized:
                weights = [p for p in self.net.parameters() if p.ndim > 1]
                loss = loss + STRENGTH * sum(w.abs().sum() for w in weights)
            loss.backward()
            return loss

        self.optimizer.step(closure)
        weights = {name: p.detach().clone() for name, p in self.net.named_parameters()}
        return Step(outputs[-1].detach(), {}, weights)


# ------------------------------------------------------------------ schedules and scaling


class WarmUpFromZero(TorchOptimizer):
    """The learning rate begins at 0 and rises."""

    def __init__(self, rules):
        super().__init__(rules)
        self.schedule = self.make_schedule(self.optimizer)

    @staticmethod
    def make_schedule(optimizer):
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 2)

    def update(self):
        super().update()
        self.schedule.step()

    def state(self):
        return super().state() | {"schedule": self.schedule.state_dict()}

    def load(self, state):
        super().load(state)
        self.schedule.load_state_dict(state["schedule"])

    def written_out(self, rules):
        return _WithWarmUp(rules, self)


class _WithWarmUp(_WithOptimizer):
    def __init__(self, rules, program):
        super().__init__(rules, program)
        self.schedule = program.make_schedule(self.optimizer)

    def update(self):
        super().update()
        self.schedule.step()


class Accumulation(TorchOptimizer):
    """Two backward passes for one step."""

    def gradients(self, x, y):
        self.optimizer.zero_grad()
        for part in range(2):
            rows = slice(part * len(x) // 2, (part + 1) * len(x) // 2)
            output = self.forward(self.model, x[rows])
            F.cross_entropy(output, y[rows]).backward()
        return output.detach()

    def written_out(self, rules):
        return _WithAccumulation(rules, self)


class _WithAccumulation(_WithOptimizer):
    def gradients(self, x, y):
        self.net.zero_grad()
        outputs = [self.forward(half) for half in x.chunk(2)]
        pairs = zip(outputs, y.chunk(2), strict=True)
        sum(F.cross_entropy(output, part) for output, part in pairs).backward()
        return outputs[-1].detach()


class GradientScaler(TorchOptimizer):
    """A gradient scaler skips the second step, whose gradient overflows."""

    def __init__(self, rules):
        super().__init__(rules)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
        self.number = 0

    def gradients(self, x, y):
        self.optimizer.zero_grad()
        output = self.forward(self.model, x)
        self.scaler.scale(F.cross_entropy(output, y)).backward()
        if self.number == 1:
            self.net.head.bias.grad.fill_(float("inf"))
        self.scaler.unscale_(self.optimizer)
        return output.detach()

    def update(self):
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.number += 1

    def state(self):
        return super().state() | {"scaler": self.scaler.state_dict(), "number": self.number}

    def load(self, state):
        super().load(state)
        self.scaler.load_state_dict(state["scaler"])
        self.number = state["number"]

    def written_out(self, rules):
        return _WithSkippedStep(rules, self)


class _WithSkippedStep(_WithOptimizer):
    number = 0

    def gradients(self, x, y):
        output = super().gradients(x, y)
        if self.number == 1:
            self.net.head.bias.grad.fill_(float("inf"))
        return output

    def update(self):
        if self.number != 1:
            super().update()
        self.number += 1


OPTIMIZERS = {
    "SGD with momentum": Momentum,
    "fused optimizer": Fused,
    "maximize=True": Maximize,
    "Adam, adaptive metric": AdamAdaptive,
    "LBFGS": Lbfgs,
    "warm-up from learning rate 0": WarmUpFromZero,
    "gradient accumulation": Accumulation,
    "gradient scaler": GradientScaler,
}
