"""Settings of other libraries are named by what they do; the effects agree with real steps."""

import pytest
import torch
from audit_helpers import X, Y, mlp
from torch import nn
from torch.nn import functional as F  # noqa: N812

import bridle
from bridle.audit.settings import settings_of
from bridle.dialects import records
from bridle.dialects.live import decay_sentence, dropout_sentence, settings_of_class
from bridle.dialects.settings import DecaySetting, DropoutSetting


def _audited(make):
    model = mlp()
    return bridle.audit(model, make(model.parameters()), (X, Y))


@pytest.mark.parametrize(
    ("make", "named", "effect"),
    [
        (lambda p: torch.optim.AdamW(p, lr=0.1), "torch.AdamW", "by 1 - lr·0.01, 0.999 at"),
        (
            lambda p: torch.optim.SGD(p, weight_decay=0.1),
            "torch.SGD",
            "0.1·w to the gradient;",
        ),
        (lambda p: torch.optim.Adam(p, weight_decay=0.1), "torch.Adam", "optimizer rescales"),
        (lambda p: torch.optim.ASGD(p, lr=0.1), "torch.ASGD_lambd", "1 - lr·0.0001, 0.99999 at"),
        (
            lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.1, decoupled_weight_decay=True),
            "torch.Adam",
            "by 1 - lr·0.1, 0.99 at",
        ),
        (
            lambda p: torch.optim.AdamW([{"params": list(p), "decoupled_weight_decay": False}]),
            "torch.AdamW",
            "coupled: adds 0.01·w to the gradient, which the optimizer rescales",
        ),
    ],
)
def test_decay_of_an_optimizer(make, named, effect):
    model = mlp()
    (seen,) = settings_of(model, make(model.parameters()))
    assert (seen.subject, seen.setting) == ("the optimizer", named)
    assert effect in seen.effect
    assert seen.effect.endswith("4 parameters, 2 of them biases or of normalization layers")


def test_flag_of_a_group_is_what_the_audit_measures():
    audited = _audited(
        lambda p: torch.optim.AdamW([{"params": list(p), "decoupled_weight_decay": False}])
    )
    assert all("(coupled)" in each.penalty for each in audited.effects)
    (said,) = {f.message for f in audited.findings if f.kind == "L2 inside Adam"}
    assert said.endswith("set decoupled_weight_decay=True in its parameter group")
    assert "setting: the optimizer: torch.AdamW weight_decay=0.01: coupled" in str(audited)
    assert audited.to_dict()["settings"][0]["setting"] == "torch.AdamW"
    decoupled = _audited(lambda p: torch.optim.AdamW(p, lr=0.1))
    assert max(each.error for each in decoupled.effects) < 1e-3


def test_nothing_is_named_where_nothing_acts():
    assert _audited(lambda p: torch.optim.SGD(p, lr=0.1)).settings == ()


def test_function_is_named_with_its_module():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.drop = nn.Linear(6, 3), nn.Dropout(0.2)

        def forward(self, x):
            return F.dropout(self.drop(self.layer(x)), 0.1, self.training)

    model = nn.Sequential(Block())
    audited = bridle.audit(model, torch.optim.SGD(model.parameters(), lr=0.1), (X, Y))
    (seen,) = audited.settings  # nn.Dropout's own call is not the user's
    assert (seen.subject, seen.setting, seen.value) == ("0", "torch.functional_dropout", "p=0.1")


def test_embedding_with_a_bound_is_named():
    model = nn.Sequential(nn.Embedding(3, 2, max_norm=1.0))
    (seen,) = settings_of(model, torch.optim.SGD(model.parameters(), lr=0.1))
    assert "in place in the forward pass" in seen.effect


TOY = """
name = "toylib"
title = "Toy"
package = "toylib"
version = "1.0"
measured = 2026-11-30
by = "reading"
surprise = "x"
surprise_zh = "x"

[[dropout]]
name = "DropPath"
call = "toylib.DropPath(drop_prob=0.0)"
argument = "drop_prob"
probability = "drop"
scaling = "none"
noise = "path"
evidence = "read"
prediction = "active"
surprise = "It is on."
surprise_zh = "x"

[[decay]]
name = "Opt"
call = "toylib.Opt(params, weight_decay=0.0, fixed_decay=False)"
argument = "weight_decay"
coupling = "decoupled"
family = "adam"
times_lr = true
factor = 0.5
evidence = "read"
variants = [{ when = { fixed_decay = true }, times_lr = false }]
"""


def _without_lr(group):
    for p in group["params"]:
        p.data.mul_(1 - 0.5 * group["weight_decay"]).sub_(p.grad, alpha=group["lr"])


class Opt(torch.optim.SGD):
    """An optimizer of another library: its decay is halved, and not multiplied by lr."""

    __module__ = "toylib.opt"

    def __init__(self, params, weight_decay=0.0):
        super().__init__(params, lr=0.1)
        self.param_groups[0].update(weight_decay=weight_decay, fixed_decay=True)

    def step(self, closure=None):
        with torch.no_grad():
            for group in self.param_groups:
                _without_lr(group)


class DropPath(nn.Module):
    __module__ = "toylib.layers"

    def __init__(self):
        super().__init__()
        self.drop_prob = 0.2


def test_classes_of_other_libraries_are_known_by_name(monkeypatch):
    record = records.read_framework("toylib", TOY)
    monkeypatch.setattr("bridle.dialects.live.known_names", lambda: ("toylib",))
    monkeypatch.setattr("bridle.dialects.live.find", {"toylib": record}.get)
    model = mlp(DropPath())
    model[2].forward = lambda x: x
    optimizer = Opt(model.parameters(), weight_decay=0.25)
    audited = bridle.audit(model, optimizer, (X, Y))
    decay, path = audited.settings
    assert decay.setting == "toylib.Opt"
    assert "by 0.875, whatever the learning rate; 4 parameters" in decay.effect
    assert path.effect == (
        "drops whole residual branches with probability 0.2; what is kept is never scaled; it also "
        "acts at prediction. It is on."
    )
    # the audit's own steps agree with the record
    assert max(each.error for each in audited.effects) < 1e-3
    assert "double" not in str(audited)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"coupling": "none"}, "has no effect"),
        ({"family": "muon", "coupling": "coupled"}, "does not depend on the number"),
        ({"coupling": "coupled", "factor": 2.0}, "adds 0.2·w"),
    ],
)
def test_sentences_of_decays(changes, sentence):
    fields = {"name": "a", "call": "a.b(c)", "argument": "c", "evidence": "read"}
    fields |= {"family": "sgd", "coupling": "decoupled", **changes}
    assert sentence in decay_sentence(DecaySetting(**fields), 0.1, 0.5)


def test_sentences_of_dropouts():
    fields = {"name": "a", "call": "a.b(c)", "argument": "c", "evidence": "read"}
    keep = DropoutSetting(**fields, probability="keep", scaling="classic")
    assert dropout_sentence(keep, 0.9).startswith("keeps single values with probability 0.9; what")
    noise = DropoutSetting(**fields, probability="drop", scaling="none", noise="gaussian")
    assert dropout_sentence(noise, 0.9).startswith("multiplies by Gaussian noise of c 0.9")


def test_unknown_classes_have_no_settings():
    assert settings_of_class(nn.Linear, DropoutSetting, {}) == []
