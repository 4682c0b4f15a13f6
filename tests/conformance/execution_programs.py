"""Rows of the matrix: compilation, checkpointing, and passes inside of a backward pass."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch.nn import functional as F  # noqa: N812
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)
from training_program import KEEP, ROWS, Program, WrittenOut

import bridle

# ------------------------------------------------------------------ torch.compile


class Compiled(Program):
    """``torch.compile(model)`` with the default backend."""

    compile_options: ClassVar[dict] = {}

    def prepare(self):
        self.regularize()
        self.model = torch.compile(self.net, **self.compile_options)


class CompiledReduceOverhead(Compiled):
    compile_options: ClassVar[dict] = {"mode": "reduce-overhead"}


class CompiledMaxAutotune(Compiled):
    compile_options: ClassVar[dict] = {"mode": "max-autotune"}


class CompiledFullGraph(Compiled):
    compile_options: ClassVar[dict] = {"fullgraph": True}


class CompiledDynamic(Compiled):
    """Dynamic shapes: each batch has other rows."""

    compile_options: ClassVar[dict] = {"dynamic": True}

    def rows(self, number):
        return ROWS + 3 * number


class CompiledInside(Program):
    """``module.compile()`` on a part of a model that runs eagerly."""

    def prepare(self):
        self.regularize()
        self.net.body.compile()


class RegularizedAfterCompile(Program):
    """The model is compiled and has run before it is regularized."""

    def prepare(self):
        self.model = torch.compile(self.net)
        self.model(torch.zeros(ROWS, 6)).sum().backward()
        self.net.zero_grad()
        self.regularize()


# ------------------------------------------------------------------ checkpointing


class CheckpointReentrant(Program):
    def forward(self, model, x):
        return checkpoint(model, x.clone().requires_grad_(), use_reentrant=True)


class CheckpointNonReentrant(Program):
    def forward(self, model, x):
        return checkpoint(model, x, use_reentrant=False)


def _save_products(_, op, *args, **kwargs):
    saved = op in (torch.ops.aten.addmm.default, torch.ops.aten.mm.default)
    return CheckpointPolicy.MUST_SAVE if saved else CheckpointPolicy.PREFER_RECOMPUTE


class CheckpointSelective(Program):
    """The products are saved, everything else is recomputed."""

    def forward(self, model, x):
        return checkpoint(
            model,
            x,
            use_reentrant=False,
            context_fn=lambda: create_selective_checkpoint_contexts(_save_products),
        )


class CheckpointOfCompiled(Compiled):
    def forward(self, model, x):
        return checkpoint(model, x, use_reentrant=False)


class CompiledCheckpoint(Program):
    """``torch.compile`` of a forward pass that checkpoints."""

    def prepare(self):
        self.regularize()

        def run(model, x):
            return checkpoint(model, x, use_reentrant=False)

        self.run = torch.compile(run)

    def forward(self, model, x):
        return self.run(model, x)


class ActivationMemoryBudget(Compiled):
    """The compiler recomputes activations, to keep half of the memory."""

    budget = 0.2

    def gradients(self, x, y):
        with torch._functorch.config.patch(activation_memory_budget=self.budget):
            return super().gradients(x, y)


class LateDropoutInCheckpoint(Program):
    """Dropout starts at the second step, inside of a checkpoint."""

    noise: ClassVar[dict] = {"body.1": bridle.late_dropout(bridle.Dropout(keep_prob=KEEP), steps=1)}

    def forward(self, model, x):
        return checkpoint(model, x, use_reentrant=False)

    def written_out(self, rules):
        return _Late(rules)


class _Late(WrittenOut):
    def factor(self, rows, *args, **kwargs):
        factor = super().factor(rows, *args, **kwargs)
        return torch.ones_like(factor) if self.passes == 1 else factor


class PassInBackward(Program):
    """A training pass runs in a hook, while the backward pass of another one runs."""

    def gradients(self, x, y):
        self.optimizer.zero_grad()
        output = self.forward(self.model, x)
        inner = []

        def run_again(gradient):
            with torch.enable_grad():
                inner.append(F.cross_entropy(self.forward(self.model, x), y))
            inner[0].backward()
            return gradient

        output.register_hook(run_again)
        F.cross_entropy(output, y).backward()
        return output.detach()

    def written_out(self, rules):
        return _Twice(rules)


class _Twice(WrittenOut):
    def gradients(self, x, y):
        self.net.zero_grad()
        outputs = [self.forward(x) for _ in range(2)]
        sum(F.cross_entropy(output, y) for output in outputs).backward()
        return outputs[0].detach()


EXECUTION = {
    "eager": Program,
    "compile": Compiled,
    "compile, full graph": CompiledFullGraph,
    "compile, reduce-overhead": CompiledReduceOverhead,
    "compile, max-autotune": CompiledMaxAutotune,
    "compile, dynamic shapes": CompiledDynamic,
    "module.compile() inside": CompiledInside,
    "regularize after compile": RegularizedAfterCompile,
    "checkpoint, reentrant": CheckpointReentrant,
    "checkpoint, non-reentrant": CheckpointNonReentrant,
    "checkpoint, selective": CheckpointSelective,
    "checkpoint of a compiled model": CheckpointOfCompiled,
    "compiled checkpoint": CompiledCheckpoint,
    "activation memory budget": ActivationMemoryBudget,
    "late dropout in a checkpoint": LateDropoutInCheckpoint,
    "training pass in a backward pass": PassInBackward,
}
