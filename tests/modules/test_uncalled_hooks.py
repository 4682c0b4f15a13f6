"""Hooks on the ``out_proj`` of attention, which never run, so that its weight is not computed."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

import bridle
from bridle.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
HOOKS = {
    "spectral_norm": nn.utils.spectral_norm,
    "weight_norm": nn.utils.weight_norm,
    "pruning": lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
}
WAYS = {
    "spectral_norm": "use torch.nn.utils.parametrizations.spectral_norm",
    "weight_norm": "use torch.nn.utils.parametrizations.weight_norm",
    "pruning": "call torch.nn.utils.prune.remove",
}
X = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))


class Attends(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.attn = nn.MultiheadAttention(4, 2, dropout=0.5, batch_first=True)
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.attn(x, x, x)[0])


def attached(model, rules, mode):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    bridle.attach(optimizer, rules, model=model, mode=mode)
    return optimizer


@pytest.mark.parametrize("how", HOOKS)
@pytest.mark.parametrize(
    "refused",
    [
        lambda model: attached(model, {"attn.out_proj.weight": bridle.L2(0.1)}, "coupled"),
        lambda model: attached(model, {"*": bridle.L2(0.1)}, "coupled"),
        lambda model: attached(model, {"attn.out_proj.*": bridle.L1(0.1)}, "proximal"),
        lambda model: attached(model, {"attn.out_proj.*": bridle.WeightDecay(0.1)}, "proximal"),
        lambda model: bridle.regularize(
            model, {"attn.out_proj.weight": bridle.DropConnect(keep_prob=0.5)}
        ),
        bridle.replace_dropout,
    ],
    ids=["coupled", "all", "proximal", "decay", "noise", "replace"],
)
def test_a_hook_that_never_runs_is_refused(how, refused):
    model = Attends()
    HOOKS[how](model.attn.out_proj)
    expected = (
        rf"attn\.out_proj\.weight is computed by {how} in a hook, which never runs.*{WAYS[how]}"
    )
    with pytest.raises(UsageError, match=expected):
        refused(model)
    hooks = [each for each in model.modules() if each._forward_hooks]
    assert not hooks


@pytest.mark.parametrize("name", ["weight_g", "weight_v"])
def test_a_parameter_of_such_a_weight_is_refused(name):
    model = Attends()
    nn.utils.weight_norm(model.attn.out_proj)
    with pytest.raises(UsageError):
        attached(model, {f"attn.out_proj.{name}": bridle.L2(0.1)}, "coupled")


def test_other_weights_of_the_model_are_not_refused():
    model = Attends()
    nn.utils.spectral_norm(model.attn.out_proj)
    nn.utils.spectral_norm(model.last)
    attached(
        model, {"last.weight": bridle.L2(0.1), "attn.in_proj_weight": bridle.L2(1.0)}, "coupled"
    )


class Calls(nn.MultiheadAttention):
    def forward(self, x, *_):
        return self.out_proj(x), None


class Passes(nn.MultiheadAttention):
    def forward(self, *args, **options):
        return super().forward(*args, **options)


@pytest.mark.parametrize(("kind", "called"), [(Calls, True), (Passes, False)])
def test_a_subclass_may_call_it(kind, called):
    model = Attends()
    model.attn = kind(4, 2, batch_first=True)
    HOOKS["pruning"](model.attn.out_proj)
    if called:
        optimizer = attached(model, {"*": bridle.L1(5.0)}, "proximal")
        model(X).square().sum().backward()
        optimizer.step()
        assert not model.attn.out_proj.weight_orig.masked_select(
            model.attn.out_proj.weight_mask.bool()
        ).any()
        return
    with pytest.raises(UsageError, match="never runs"):
        attached(model, {"*": bridle.L1(5.0)}, "proximal")


@pytest.mark.parametrize("how", ["spectral_norm", "weight_norm"])
def test_a_parametrization_acts_there(how):
    model = Attends().eval()
    getattr(parametrizations, how)(model.attn.out_proj)
    before = copy.deepcopy(model)
    optimizer = attached(model, {"attn.out_proj.weight": bridle.L2(5.0)}, "coupled")
    model(X).square().sum().backward()
    plain = [each.grad.clone() for each in model.attn.out_proj.parametrizations.parameters()]
    optimizer.step()
    moved = [
        (now - then + 0.1 * grad).detach()
        for now, then, grad in zip(
            model.attn.out_proj.parametrizations.parameters(),
            before.attn.out_proj.parametrizations.parameters(),
            plain,
            strict=True,
        )
    ]
    assert any(float(each.abs().max()) > 1e-3 for each in moved)
