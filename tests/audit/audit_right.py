"""Scenarios in which every regularizer acts: the audit may find no failure.

Each function returns ``model, optimizer, batch, loss`` (None for the default loss).
"""

import copy

import numpy as np
import torch
from audit_helpers import X, Y, cross_entropy, mlp, sgd
from audit_right_networks import (
    attention_and_recurrence,
    dropout_module_that_only_holds_the_rate,
    fresh_random_numbers,
    gradients_replaced_on_purpose,
    own_random_numbers,
    sampled_in_evaluation,
)
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

import bridle

BATCH = (X, Y)


def dropouts_of_torch():
    layers = (nn.Dropout(0.3), nn.AlphaDropout(0.2), nn.Dropout(0.5, inplace=True))
    model = mlp(*layers)
    return model, sgd(model), BATCH, None


def noises_of_bridle():
    model = mlp(nn.BatchNorm1d(24))
    optimizer = torch.optim.Adam(model.parameters())
    rules = {
        nn.ReLU: bridle.Dropout(keep_prob=0.5),
        "3": bridle.DropConnect(keep_prob=0.8),
        "*": bridle.ElasticNet(1e-3, 1e-2),
    }
    bridle.regularize(model, rules, optimizer=optimizer, metric="adaptive")
    return model, optimizer, BATCH, None


def learned_rate():
    model = mlp()
    optimizer = sgd(model)
    bridle.regularize(model, {nn.ReLU: bridle.ConcreteDropout(keep_prob=0.6)}, optimizer=optimizer)
    return model, optimizer, BATCH, None


def checkpointed(**options):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = mlp(nn.Dropout(0.5)), nn.Linear(3, 3)

        def forward(self, x):
            x = x.clone().requires_grad_() if options["use_reentrant"] else x
            return self.head(checkpoint(self.body, x, **options))

    model = Net()
    bridle.regularize(model, {nn.ReLU: bridle.Dropout(keep_prob=0.5)})
    return model, sgd(model), BATCH, None


def two_models_on_one_optimizer():
    a, b = mlp(), mlp()
    optimizer = sgd(nn.ModuleList([a, b]), momentum=0.9)
    bridle.attach(optimizer, {"*": bridle.L1(0.1)}, model=a)
    bridle.attach(optimizer, {"*": bridle.L2(1.0)}, model=b, mode="coupled")
    return a, optimizer, BATCH, None


def a_part_was_regularized():
    model = nn.ModuleDict({"encoder": mlp(), "head": nn.Linear(3, 3)})
    optimizer = sgd(model)
    bridle.regularize(model["encoder"], {"*": bridle.L1(0.1)}, optimizer=optimizer)
    return (
        model,
        optimizer,
        BATCH,
        lambda m, b: F.cross_entropy(m["head"](m["encoder"](b[0])), b[1]),
    )


def tied_weights():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(6, 6), nn.Linear(6, 6)
            self.two.weight = self.one.weight
            self.head = nn.Linear(6, 3)

        def forward(self, x):
            return self.head(self.two(self.one(x).relu()).relu())

    model = Tied()
    optimizer = sgd(model)
    bridle.regularize(model, {"*": bridle.L2(0.1)}, optimizer=optimizer)
    return model, optimizer, BATCH, None


def several_attachments_on_one_weight():
    model = mlp()
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": bridle.L1(0.1)}, model=model)
    bridle.attach(optimizer, {"0.*": bridle.L2(0.1)}, model=model)
    return model, optimizer, BATCH, None


def maximized(mode, kind):
    model = mlp()
    optimizer = kind(model.parameters(), lr=0.1, maximize=True)
    bridle.attach(optimizer, {"*": bridle.L2(0.1)}, model=model, mode=mode)
    return model, optimizer, BATCH, lambda m, b: -cross_entropy(m, b)


def lbfgs(**options):
    model = mlp(nn.Dropout(0.5))
    optimizer = torch.optim.LBFGS(model.parameters(), **options)
    bridle.attach(optimizer, {"*": bridle.L2(0.1)}, model=model, mode="coupled")
    return model, optimizer, BATCH, None


def warm_up(schedule):
    model = mlp()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0)
    bridle.attach(optimizer, {"*": bridle.L1(0.1)}, model=model)
    model.schedule = None
    if schedule:
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, step / 10))
    else:
        optimizer.param_groups[0]["lr"] = 0.0
    return model, optimizer, BATCH, None


def weight_decay_in_a_warm_up():
    model = mlp()
    groups = [
        {"params": [model[0].weight, model[2].weight], "weight_decay": 0.1},
        {"params": [model[0].bias, model[2].bias], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.1)
    torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1e-30)
    return model, optimizer, BATCH, None


def own_random_numbers_in_the_loss():
    generator, calls = np.random.default_rng(0), []
    model = mlp()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=0)
    bridle.attach(optimizer, {"*": bridle.L2(0.1)}, model=model, mode="coupled")

    def loss(m, batch):
        calls.append(1)
        noise = torch.from_numpy(generator.normal(size=tuple(batch[0].shape))).to(batch[0])
        return F.cross_entropy(m(batch[0] + noise), batch[1])

    return model, optimizer, BATCH, loss


def momentum_and_filled_state(kind, **options):
    model = mlp(nn.BatchNorm1d(24), nn.Dropout(0.5))
    optimizer = kind(model.parameters(), lr=0.01, **options)
    bridle.attach(optimizer, {"*": bridle.L1(0.01), "0.*": bridle.L2(0.1)}, model=model)
    for _ in range(3):
        optimizer.zero_grad()
        cross_entropy(model, BATCH).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
    return model, optimizer, BATCH, None


def mixed_precision():
    model = mlp(nn.Dropout(0.5))
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": bridle.L2(0.1)}, model=model)

    def loss(m, batch):
        with torch.autocast("cpu", torch.bfloat16):
            return cross_entropy(m, batch)

    return model, optimizer, BATCH, loss


def half_precision():
    model = mlp(nn.Dropout(0.5)).to(torch.bfloat16)
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": bridle.L2(0.1)}, model=model, mode="coupled")
    bridle.attach(optimizer, {"*": bridle.L1(0.1)}, model=model)
    return model, optimizer, (X.to(torch.bfloat16), Y), None


def zeros_and_kinks():
    """ReLUs at exactly 0, weights at exactly 0, ties in a maximum."""
    model = nn.Sequential(
        nn.Conv1d(1, 8, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(16, 24),
        nn.ReLU(), nn.Dropout(0.5), nn.Linear(24, 3),
    )  # fmt: skip
    for module in model:
        if hasattr(module, "bias"):
            nn.init.zeros_(module.bias)
    with torch.no_grad():
        model[4].weight[:, ::2] = 0
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": bridle.L1(0.1)}, model=model)
    x = X[:, None].clone()
    x[::2] = 0
    return model, optimizer, (x, Y), None


def frozen_backbone_in_evaluation():
    backbone = mlp(nn.Dropout(0.5))
    model = nn.Sequential(backbone, nn.Linear(3, 3))
    backbone.requires_grad_(False)
    backbone.eval()
    return model, torch.optim.SGD(model[1].parameters(), lr=0.1), BATCH, None


def skipped_at_random():
    class Skips(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.drop = nn.Linear(6, 3), nn.Dropout(0.5)

        def forward(self, x):
            if not self.training or torch.rand(()) < 0.5:
                x = self.drop(x)
            return self.one(x)

    model = Skips()
    return model, sgd(model), BATCH, None


def constraint_that_holds():
    model = mlp()
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": bridle.MaxNorm(100.0)}, model=model)
    return model, optimizer, BATCH, None


def penalty_in_the_loss_of_a_requested_kind():
    model = nn.ModuleDict({"body": mlp()})
    receipt = bridle.regularize(model, {"*": bridle.L2(0.1)})
    assert receipt.penalties

    def loss(m, batch):
        decay = 0.05 * sum(w.square().sum() for w in m.parameters() if w.ndim > 1)
        return F.cross_entropy(m["body"](batch[0]), batch[1]) + decay

    return model, sgd(model), BATCH, loss


def weights_used_outside_of_modules():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(6, 3))
            self.scale = nn.Parameter(torch.ones(1))

        def training_step(self, batch):
            return F.cross_entropy(batch[0] @ self.w * self.scale, batch[1])

    model = Bare()
    optimizer = sgd(model)
    bridle.regularize(model, {"w": bridle.L1(0.1)}, optimizer=optimizer)
    return model, optimizer, BATCH, lambda m, b: m.training_step(b)


def one_of_two_entries():
    """The loss trains one head; the other head's dropout and weights rest."""
    model = nn.ModuleDict({"a": mlp(nn.Dropout(0.5)), "b": mlp(nn.Dropout(0.5))})
    return model, sgd(model), BATCH, lambda m, b: F.cross_entropy(m["a"](b[0]), b[1])


def copied_together():
    model = mlp(nn.Dropout(0.5))
    bridle.regularize(model, {nn.ReLU: bridle.Dropout(keep_prob=0.5)})
    model, optimizer = copy.deepcopy((model, sgd(model)))
    return model, optimizer, BATCH, None


def audited_before():
    model, optimizer, batch, loss = noises_of_bridle()
    bridle.audit(model, optimizer, batch, loss=loss)
    return model, optimizer, batch, loss


SGD, Adam, AdamW = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
RIGHT = {
    each.__name__: each
    for each in (
        dropouts_of_torch, noises_of_bridle, learned_rate, two_models_on_one_optimizer,
        a_part_was_regularized, tied_weights, several_attachments_on_one_weight,
        weight_decay_in_a_warm_up, own_random_numbers, own_random_numbers_in_the_loss,
        fresh_random_numbers, sampled_in_evaluation, mixed_precision, half_precision,
        zeros_and_kinks, attention_and_recurrence, dropout_module_that_only_holds_the_rate,
        frozen_backbone_in_evaluation, skipped_at_random, constraint_that_holds,
        penalty_in_the_loss_of_a_requested_kind, weights_used_outside_of_modules,
        one_of_two_entries, copied_together, audited_before,
    )
}  # fmt: skip
RIGHT |= {
    "checkpoint": lambda: checkpointed(use_reentrant=False),
    "reentrant_checkpoint": lambda: checkpointed(use_reentrant=True),
    "maximize_coupled": lambda: maximized("coupled", SGD),
    "maximize_proximal": lambda: maximized("proximal", SGD),
    "maximize_adam": lambda: maximized("coupled", Adam),
    "lbfgs": lbfgs,
    "lbfgs_with_line_search": lambda: lbfgs(line_search_fn="strong_wolfe"),
    "warm_up_by_schedule": lambda: warm_up(True),
    "warm_up_by_hand": lambda: warm_up(False),
    "momentum": lambda: momentum_and_filled_state(SGD, momentum=0.9, nesterov=True),
    "adam": lambda: momentum_and_filled_state(Adam),
    "adam_amsgrad": lambda: momentum_and_filled_state(AdamW, amsgrad=True, weight_decay=0),
    "gradient_reversal": lambda: gradients_replaced_on_purpose("reversal"),
    "straight_through": lambda: gradients_replaced_on_purpose("straight-through"),
    "stopped_gradient": lambda: gradients_replaced_on_purpose("stop"),
    "gumbel_softmax": lambda: gradients_replaced_on_purpose("gumbel"),
}
