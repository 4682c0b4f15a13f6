"""The ways in which programs run a model, for the tests of masks."""

import copy
import functools

import torch
from torch import nn
from torch.distributed._composable import checkpoint as composable_checkpoint
from torch.distributed.algorithms._checkpoint import checkpoint_wrapper as wrappers
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    checkpoint_sequential,
    create_selective_checkpoint_contexts,
    set_checkpoint_early_stop,
)

import bridle

safe = functools.partial(checkpoint, use_reentrant=False)
reentrant = functools.partial(checkpoint, use_reentrant=True)


# ------------------------------------------------------------------ noises


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.RNNCell(6, 32), nn.Linear(32, 1)

    def forward(self, x):
        return self.head(self.cell(x))


def perceptron():
    return nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1))


HALF = bridle.Dropout(keep_prob=0.5)
NOISES = {
    "dropout": {nn.ReLU: HALF},
    "dropout-before": {"2": bridle.Before(HALF)},
    "gaussian-dropout": {nn.ReLU: bridle.GaussianDropout(keep_prob=0.5)},
    "alpha-dropout": {nn.ReLU: bridle.AlphaDropout(keep_prob=0.5)},
    "concrete-dropout": {nn.ReLU: bridle.ConcreteDropout(keep_prob=0.5)},
    "scheduled-dropout": {nn.ReLU: bridle.Scheduled(HALF, bridle.LinearSchedule(0.2, 1, steps=4))},
    "late-dropout": {nn.ReLU: bridle.late_dropout(HALF, steps=2)},
    "early-dropout": {nn.ReLU: bridle.early_dropout(HALF, steps=2, decay="constant")},
    "drop-connect": {"2": bridle.DropConnect(keep_prob=0.5)},
    "late-drop-connect": {"2": bridle.late_dropout(bridle.DropConnect(keep_prob=0.5), steps=2)},
    "weight-drop": {"cell": bridle.WeightDrop(keep_prob=0.5)},
}


def regularized(noise):
    """Return a small net with a noise, and its receipt."""
    torch.manual_seed(0)
    net = Recurrent() if noise == "weight-drop" else perceptron()
    return net, bridle.regularize(net, NOISES[noise])


class Reference:
    """Calls a net without hooks, with the masks of steps that it counts itself."""

    def __init__(self, net, receipt):
        self.placed = receipt.noises[0]
        self.noise = copy.deepcopy(self.placed.noise)
        self.net = copy.deepcopy(net)
        for module in self.net.modules():
            module._forward_hooks.clear()
            module._forward_pre_hooks.clear()
        self.step = 0

    def parameters(self):
        learned = [] if self.noise.learned is None else [self.noise.learned]
        return [*self.net.parameters(), *learned]

    def __call__(self, x):
        address = bridle.address_of(seed=0, step=self.step)
        self.step += 1
        if self.placed.where == "on":
            weight = self.net.get_parameter(self.placed.name)
            mask = self.noise.train(torch.ones_like(weight), address)
            return torch.func.functional_call(self.net, {self.placed.name: weight * mask}, (x,))
        first, relu, last = self.net
        hidden = relu(first(x))
        if self.noise.multiplies and self.noise.learned is None:
            return last(hidden * self.noise.train(torch.ones(x.shape[0], 32), address))
        return last(self.noise.train(hidden, address))


# ------------------------------------------------------------------ custom functions


class Rerun(torch.autograd.Function):
    """A checkpoint as other libraries write it."""

    @staticmethod
    def forward(ctx, run, x):
        ctx.run = run
        ctx.save_for_backward(x)
        with torch.no_grad():
            return run(x)

    @staticmethod
    def backward(ctx, grad):
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            y = ctx.run(x)
        torch.autograd.backward(y, grad)
        return None, x.grad


class RerunCast(Rerun):
    """The same, decorated for mixed precision."""

    forward = staticmethod(torch.amp.custom_fwd(Rerun.forward, device_type="cpu"))
    backward = staticmethod(torch.amp.custom_bwd(Rerun.backward, device_type="cpu"))


class Coupling(torch.autograd.Function):
    """A reversible block: its backward pass reconstructs the input, then computes gradients."""

    @staticmethod
    def forward(ctx, run, kept, changed):
        ctx.run = run
        with torch.no_grad():
            result = changed + run(kept)
        ctx.save_for_backward(kept, result)
        ctx.changed = changed.detach()
        return kept.clone(), result

    @staticmethod
    def backward(ctx, grad_kept, grad):
        kept, result = ctx.saved_tensors
        with torch.no_grad():
            changed = result - ctx.run(kept)
        assert torch.allclose(changed, ctx.changed, atol=1e-5)
        kept = kept.detach().requires_grad_()
        with torch.enable_grad():
            torch.autograd.backward(ctx.run(kept), grad)
        return None, grad_kept + kept.grad, grad


def reversible(net):
    return lambda x: Coupling.apply(net, x, torch.zeros(x.shape[0], 1))[1]


# ------------------------------------------------------------------ checkpoints


def selective(policy):
    return functools.partial(
        safe, context_fn=functools.partial(create_selective_checkpoint_contexts, policy)
    )


def save_products(ctx, op, *args, **kwargs):
    products = (torch.ops.aten.mm.default, torch.ops.aten.addmm.default)
    return CheckpointPolicy.MUST_SAVE if op in products else CheckpointPolicy.PREFER_RECOMPUTE


def save_most(ctx, op, *args, **kwargs):
    return CheckpointPolicy.MUST_SAVE


def nested(outer, inner):
    return lambda net: lambda x: outer(lambda y: inner(net, y) * 1, x)


def early_stop_off(net):
    def call(x):
        with set_checkpoint_early_stop(False):
            return safe(net, x)

    return call


def wrapped(net):
    return wrappers.checkpoint_wrapper(net)


def composable(net):
    outer = nn.Sequential(net)
    composable_checkpoint(outer)
    return outer


def segments(net):
    def call(x):
        layers = list(net.children())
        if isinstance(net, Recurrent):
            return checkpoint_sequential([net], 1, x, use_reentrant=False)
        return checkpoint_sequential(layers, 3, x, use_reentrant=False)

    return call


def offloaded(net):
    def call(x):
        with torch.autograd.graph.save_on_cpu():
            return safe(net, x)

    return call


def twice(net):
    """The same module twice: its second call takes what depends on its first one."""
    return lambda x: net(x + net(x))


def thrice_checkpointed(net):
    return lambda x: safe(twice(net), x) + safe(net, x)


CHECKPOINTS = {
    "eager": lambda net: net,
    "checkpoint-non-reentrant": lambda net: functools.partial(safe, net),
    "checkpoint-reentrant": lambda net: functools.partial(reentrant, net),
    "checkpoint-without-early-stop": early_stop_off,
    "checkpoint-selective": lambda net: functools.partial(selective(save_products), net),
    "checkpoint-selective-saves-all": lambda net: functools.partial(selective(save_most), net),
    "checkpoint-sequential": segments,
    "checkpoint-wrapper": wrapped,
    "checkpoint-composable": composable,
    "checkpoint-with-offload": offloaded,
    "checkpoint-in-checkpoint": nested(safe, safe),
    "checkpoint-reentrant-in-reentrant": nested(reentrant, reentrant),
    "checkpoint-reentrant-in-non-reentrant": nested(safe, reentrant),
    "checkpoint-non-reentrant-in-reentrant": nested(reentrant, safe),
    "checkpoint-of-custom-function": lambda net: lambda x: safe(lambda y: Rerun.apply(net, y), x),
    "module-twice": twice,
    "module-twice-in-checkpoint": lambda net: functools.partial(safe, twice(net)),
    "module-twice-in-checkpoint-reentrant": lambda net: functools.partial(reentrant, twice(net)),
    "module-twice-in-checkpoint-selective": lambda net: functools.partial(
        selective(save_products), twice(net)
    ),
    "module-twice-in-nested-checkpoints": lambda net: nested(safe, safe)(twice(net)),
    "module-in-two-checkpoints": thrice_checkpointed,
    "custom-function": lambda net: functools.partial(Rerun.apply, net),
    "custom-function-cast": lambda net: functools.partial(RerunCast.apply, net),
    "custom-function-in-custom-function": nested(Rerun.apply, Rerun.apply),
    "reversible": reversible,
}


# ------------------------------------------------------------------ compilation


class Bigger(nn.Module):
    """An eager model with a part that is compiled in place."""

    def __init__(self, net):
        super().__init__()
        self.net = net
        self.net.compile()

    def forward(self, x):
        return self.net(x * 1) * 1


class Checkpointing(nn.Module):
    def __init__(self, net, run):
        super().__init__()
        self.net, self.run = net, run

    def forward(self, x):
        return self.run(self.net, x) * 1


def compiled(net, **options):
    return torch.compile(net, **options)


def with_config(wrap, **settings):
    """Compile under settings of ``torch._functorch.config``."""

    def wrap_with(net):
        call = wrap(net)

        def run(x):
            with torch._functorch.config.patch(**settings):
                return call(x)

        return run

    return wrap_with


COMPILED = {
    "compile-default": compiled,
    "compile-fullgraph": functools.partial(compiled, fullgraph=True),
    "compile-reduce-overhead": functools.partial(compiled, mode="reduce-overhead"),
    "compile-max-autotune": functools.partial(compiled, mode="max-autotune-no-cudagraphs"),
    "compile-dynamic": functools.partial(compiled, dynamic=True),
    "compile-inside": Bigger,
    "compile-aot-eager": functools.partial(compiled, backend="aot_eager"),
    "activation-memory-budget": with_config(compiled, activation_memory_budget=0.0),
    "aggressive-recomputation": with_config(
        compiled, aggressive_recomputation=True, recompute_views=True
    ),
    "checkpoint-of-compiled": lambda net: functools.partial(safe, torch.compile(net)),
    "checkpoint-reentrant-of-compiled": lambda net: functools.partial(
        reentrant, torch.compile(net)
    ),
    "checkpoint-of-compiled-with-budget": with_config(
        lambda net: functools.partial(safe, torch.compile(net)), activation_memory_budget=0.0
    ),
    "checkpoint-selective-of-compiled": lambda net: functools.partial(
        selective(save_products), torch.compile(net)
    ),
    "custom-function-of-compiled": lambda net: functools.partial(Rerun.apply, torch.compile(net)),
    "compile-of-checkpoint": lambda net: torch.compile(Checkpointing(net, safe)),
    "compile-of-checkpoint-reentrant": lambda net: torch.compile(Checkpointing(net, reentrant)),
    "compile-of-checkpoint-selective": lambda net: torch.compile(
        Checkpointing(net, selective(save_products))
    ),
    "module-twice-compiled": lambda net: torch.compile(twice(net)),
    "module-twice-in-checkpoint-of-compiled": lambda net: functools.partial(
        safe, torch.compile(twice(net))
    ),
    "module-twice-in-checkpoint-of-compiled-with-budget": with_config(
        lambda net: functools.partial(safe, torch.compile(twice(net))), activation_memory_budget=0.0
    ),
    "compile-of-custom-function": lambda net: torch.compile(Checkpointing(net, Rerun.apply)),
    "checkpoint-of-compile-of-checkpoint": lambda net: functools.partial(
        safe, torch.compile(Checkpointing(net, safe))
    ),
}
