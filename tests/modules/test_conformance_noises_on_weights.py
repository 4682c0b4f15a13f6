"""DropConnect on weights that a module computes: the weight itself is masked.

The name of each case is ``<feature>-<column>`` of the conformance matrix.
"""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune, weight_norm

import bridle
from bridle import DropConnect, UsageError, WeightDrop
from bridle.networks.thinning import addresses

# warnings of torch 2.13's own compiler: it reads .grad of every input where a compiled model has a
# graph break, and imports what is deprecated
pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated"),
    pytest.mark.filterwarnings("ignore:`torch._prims_common.check` is deprecated"),
]

F = nn.functional
X = torch.randn(8, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def pruned(layer, name="weight"):
    prune.l1_unstructured(layer, name, 0.5)
    return layer


KINDS = {
    "pruned": pruned,
    "weight-norm": parametrizations.weight_norm,
    "weight-norm-old": weight_norm,
    "spectral-norm": parametrizations.spectral_norm,
    "spectral-norm-old": nn.utils.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
}
deprecated = pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")


def layer_of(kind):
    torch.manual_seed(0)
    return nn.Sequential(KINDS[kind](nn.Linear(6, 4))).double()


WAYS = [(name, "eager") for name in KINDS]
WAYS += [(name, "compiled") for name in ("pruned", "weight-norm", "spectral-norm-old")]


@deprecated
@pytest.mark.parametrize(
    ("kind", "how"), [pytest.param(*way, id=f"{way[0]}-{way[1]}-noise") for way in WAYS]
)
def test_drop_connect_masks_the_effective_weight(kind, how):
    model, twin = layer_of(kind), layer_of(kind)
    receipt = bridle.regularize(model, {"0": DropConnect(keep_prob=0.5)}, seed=7)
    assert str(receipt).startswith("DropConnect(keep_prob=0.5, scaling='inverted') on 0.weight ")
    forward = torch.compile(model) if how == "compiled" else model
    for step in range(3):
        found = forward(X)
        twin(X)  # with the power iteration that the model made
        twin.eval()
        weight = twin[0].weight
        mask = DropConnect(keep_prob=0.5).train(
            torch.ones_like(weight), addresses(7, 0, [step])[0], row=0
        )
        expected = F.linear(X, weight * mask, twin[0].bias)
        torch.testing.assert_close(found, expected)
        assert 0 < (mask == 0).sum() < mask.numel()
        for each, output in ((model, found), (twin, expected)):
            each.zero_grad()
            output.square().sum().backward()
        for one, other in zip(model.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad)
        twin.train()
    model.eval()
    twin.eval()
    torch.testing.assert_close(model(X), twin(X))
    receipt.undo()
    model.train()
    twin.train()
    torch.testing.assert_close(model(X), twin(X))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: pruned(nn.LSTM(6, 4), "weight_hh_l0"), id="pruned-lstm-noise"),
        pytest.param(
            lambda: parametrizations.weight_norm(nn.LSTM(6, 4), "weight_hh_l0"),
            id="weight-norm-lstm-noise",
        ),
    ],
)
def test_weight_drop_masks_a_recurrent_layers_effective_weight(make):
    torch.manual_seed(0)
    model = make().double()
    sequence = X.view(4, 2, 6)
    whole = model(sequence)[0]
    weight = model.weight_hh_l0.detach().clone()
    receipt = bridle.regularize(model, {nn.LSTM: WeightDrop(keep_prob=0.5)}, seed=7)
    plain = nn.LSTM(6, 4).double()
    with torch.no_grad():
        for name in ("weight_ih_l0", "bias_ih_l0", "bias_hh_l0"):
            getattr(plain, name).copy_(getattr(model, name))
    for step in range(2):
        mask = WeightDrop(keep_prob=0.5).train(
            torch.ones_like(weight), addresses(7, 0, [step])[0], row=0
        )
        with torch.no_grad():
            plain.weight_hh_l0.copy_(weight * mask)
        torch.testing.assert_close(model(sequence)[0], plain(sequence)[0])
    receipt.undo()
    torch.testing.assert_close(model(sequence)[0], whole)


@pytest.mark.parametrize("cell", [pytest.param(None, id="pruned-audit")])
def test_the_audit_sees_the_noise_on_a_pruned_layer(cell):
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)).double()
    pruned(model[0])
    model[0].weight = model[0].weight.detach()  # as the audit's copies need it
    bridle.regularize(model, {"0": DropConnect(keep_prob=0.5)})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    audited = bridle.audit(model, optimizer, (X, torch.arange(8) % 3))
    assert audited.passed
    assert len(audited.noises) == 1


@pytest.mark.parametrize("later", [pytest.param(None, id="pruned-later-noise")])
def test_pruning_after_the_noise_is_refused(later):
    model = nn.Sequential(nn.Linear(6, 4)).double()
    bridle.regularize(model, {"0": DropConnect(keep_prob=0.5)})
    pruned(model[0])
    with pytest.raises(UsageError, match=r"0\.weight: the weight is no longer a parameter"):
        model(X)
    model = nn.Sequential(pruned(nn.Linear(6, 4))).double()
    bridle.regularize(model, {"0": DropConnect(keep_prob=0.5)})
    prune.remove(model[0], "weight")
    with pytest.raises(UsageError, match=r"0\.weight is not computed by pruning any more"):
        model(X)


@pytest.mark.parametrize("lazy", [pytest.param(None, id="lazy-linear-noise")])
def test_a_lazy_layer_is_refused_until_it_has_a_shape(lazy):
    model = nn.Sequential(nn.LazyLinear(4)).double()
    with pytest.raises(UsageError, match="0 is a LazyLinear whose weight has no shape yet"):
        bridle.regularize(model, {"0": DropConnect(keep_prob=0.5)})
    model(X)
    bridle.regularize(model, {"0": DropConnect(keep_prob=0.5)})
    assert not torch.equal(model(X), model(X))
