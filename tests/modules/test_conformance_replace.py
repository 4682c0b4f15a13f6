"""``replace_dropout``: torch's modules with addressed masks, beside the same network by hand."""

import copy
import pickle

import pytest
import torch
from replace_helpers import close, feature, outcome
from torch import nn
from torch.utils.checkpoint import checkpoint

import bridle
from bridle.errors import UsageError
from bridle.ops import address_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated"),
]
RATE = 0.3
KINDS = {
    nn.Dropout: (bridle.Dropout, (6, 8)),
    nn.Dropout1d: (bridle.SpatialDropout, (6, 5, 8)),
    nn.Dropout2d: (bridle.SpatialDropout, (3, 5, 4, 4)),
    nn.Dropout3d: (bridle.SpatialDropout, (3, 5, 2, 2, 4)),
    nn.AlphaDropout: (bridle.AlphaDropout, (6, 8)),
    nn.FeatureAlphaDropout: (bridle.FeatureAlphaDropout, (3, 5, 4, 4)),
}


class Shared(nn.Module):
    """One dropout module at two places of a pass, as most programs write it."""

    def __init__(self, inplace=False):
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 3)
        self.drop = nn.Dropout(RATE, inplace=inplace)

    def forward(self, x):
        x = self.drop(self.first(x).tanh() * 1)
        return self.drop(self.second(x))


def by_hand(model, X, step, rate=RATE, seed=0):
    noise = bridle.Dropout(drop_prob=rate)
    x = noise.train(model.first(X).tanh(), address_of(seed, step=step))
    return noise.train(model.second(x), address_of(seed, step=step + 1))


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("kind", [feature(kind.__name__.lower(), kind) for kind in KINDS])
def test_each_kind_has_the_masks_of_its_address(kind, inplace):
    same, shape = KINDS[kind]
    model = nn.Sequential(kind(RATE, inplace=inplace))
    replaced = bridle.replace_dropout(model, seed=4)
    for step in range(2):
        X = torch.randn(shape, requires_grad=True)
        given = X * 1
        y = model(given)
        wanted = same(drop_prob=RATE).train(X, address_of(4, step=step))
        torch.testing.assert_close(y, wanted)
        assert (y is given) is inplace
        grads = [torch.autograd.grad(each.square().sum(), X)[0] for each in (y, wanted)]
        torch.testing.assert_close(*grads)
    assert replaced.state_dict() == {"after 0": 2, "seed": 4}
    model.eval()
    whole = torch.ones(shape, dtype=torch.int64)
    assert model(whole) is whole


@pytest.mark.parametrize("inplace", [feature("shared-module", False), feature("inplace", True)])
def test_each_call_of_a_shared_module_has_a_mask_of_its_own(inplace):
    model, X = Shared(inplace), torch.randn(6, 8)
    replaced = bridle.replace_dropout(model)
    for step in (0, 2, 4):
        close(outcome(model, model, X), outcome(lambda x, at=step: by_hand(model, x, at), model, X))
    assert replaced.state_dict() == {"after drop": 6}
    replaced.load_state_dict({"after drop": 2})
    close(outcome(model, model, X), outcome(lambda x: by_hand(model, x, 2), model, X))


@pytest.mark.parametrize("dynamic", [feature("compile", None), feature("compile-dynamic", True)])
def test_compiled_steps_are_those_by_hand(dynamic):
    model = Shared()
    bridle.replace_dropout(model)
    compiled = torch.compile(model, dynamic=dynamic)
    for step, rows in ((0, 6), (2, 6), (4, 9)):
        X = torch.randn(rows, 8)
        wanted = outcome(lambda x, at=step: by_hand(model, x, at), model, X)
        close(outcome(compiled, model, X), wanted)
    model.drop.p = 0.6
    wanted = outcome(lambda x: by_hand(model, x, 6, rate=0.6), model, X)
    close(outcome(compiled, model, X), wanted)
    model.eval()
    torch.testing.assert_close(compiled(X), model.second(model.first(X).tanh()))


@pytest.mark.parametrize("reentrant", [feature("checkpoint", False)])
def test_a_recomputed_pass_has_the_same_masks(reentrant):
    layers = [nn.Linear(8, 8), nn.Tanh(), nn.Dropout(RATE), nn.Linear(8, 3)]
    model, X = nn.Sequential(*layers), torch.randn(6, 8)
    replaced = bridle.replace_dropout(model)
    plain = copy.deepcopy(model)
    wanted = outcome(plain, plain, X)
    found = outcome(lambda x: checkpoint(model, x, use_reentrant=reentrant), model, X)
    close(found, wanted)
    assert replaced.state_dict() == {"after 2": 1}


@pytest.mark.parametrize("rate", [feature(f"rate-{rate:g}", rate) for rate in (0.0, 0.2, 1.0)])
def test_rates_that_change_later(rate):
    model, X = Shared(), torch.randn(6, 8, requires_grad=True)
    replaced = bridle.replace_dropout(model)
    model.drop.p = rate
    y = model(X)
    y.sum().backward()
    if rate == 1:
        assert not y.any()
        assert not X.grad.any()
    else:
        torch.testing.assert_close(y, by_hand(model, X, 0, rate=rate))
    assert str(replaced) == f"Dropout(p={rate:g}) at drop (stream 0)"
    assert replaced.state_dict() == {"after drop": 2}  # steps count calls, whatever the rate


@pytest.mark.parametrize("training", [feature("undo", True), feature("undo-eval", False)])
def test_nothing_but_the_masks_changes_and_undo_restores(training):
    model = nn.Sequential(Shared(), nn.Dropout2d(0.1)).train(training)
    seen = []
    model[1].register_forward_hook(lambda module, args, output: seen.append(output))
    before, keys, shown = (
        [dict(vars(each)) for each in model.modules()],
        list(model.state_dict()),
        str(model),
    )
    replaced = bridle.replace_dropout(model)
    assert list(model.state_dict()) == keys
    assert str(model) == shown
    assert type(model[0].drop) is nn.Dropout
    assert all(each.training is training for each in model.modules())
    with pytest.raises(UsageError, match=r"'0.drop', '1' is already replaced"):
        bridle.replace_dropout(model)
    y = model[1](torch.ones(4, 3, 2, 2))
    assert seen[-1] is y  # other hooks see the output with noise
    for _ in range(2):
        replaced.undo()
    assert [vars(each) for each in model.modules()] == before
    assert str(replaced) == "no dropout replaced"
    torch.manual_seed(0)
    y = model[0].drop(torch.ones(9, 9))
    torch.manual_seed(0)
    assert torch.equal(y, nn.functional.dropout(torch.ones(9, 9), RATE, training))


@pytest.mark.parametrize("how", [feature("deepcopy", "deepcopy"), feature("pickle", "pickle")])
def test_copies_have_noises_of_their_own_at_the_same_step(how):
    model, X = Shared(), torch.randn(6, 8)
    replaced = bridle.replace_dropout(model)
    model(X)
    other = copy.deepcopy(model) if how == "deepcopy" else pickle.loads(pickle.dumps(model))
    other.drop.p = 0.6
    torch.testing.assert_close(other(X), by_hand(other, X, 2, rate=0.6))
    torch.testing.assert_close(model(X), by_hand(model, X, 2))
    replaced.undo()
    torch.testing.assert_close(other(X), by_hand(other, X, 4, rate=0.6))


@pytest.mark.parametrize("kind", [feature("inside-attention", nn.TransformerEncoderLayer)])
def test_what_is_left_is_named(kind):
    model = nn.Sequential(
        kind(8, 2, 16, dropout=RATE, batch_first=True), nn.LSTM(8, 8, 2, dropout=0.2)
    )
    replaced = bridle.replace_dropout(model)
    names = ["0.self_attn", "0.dropout", "0.dropout1", "0.dropout2"]
    assert [noise.name for noise in replaced.noises] == names
    assert replaced.left == {"1": "LSTM applies its dropout=0.2 inside torch's recurrent function"}
    assert "left: 1, LSTM applies" in str(replaced)
    X = torch.randn(3, 4, 8)
    found = model[0](X)
    replaced.load_state_dict(dict.fromkeys(replaced.state_dict(), 0))
    assert torch.equal(model[0](X), found)
    wanted = model.eval()[0](X)
    replaced.undo()
    torch.testing.assert_close(wanted, model[0](X))


class Own(nn.Dropout):
    def forward(self, x):
        return x


class ByFunction(nn.Module):
    def __init__(self):
        super().__init__()
        self.dropout = 0.25


@pytest.mark.parametrize(
    ("model", "message"),
    [
        feature("nothing-refused", nn.Linear(2, 2), "no dropout modules to replace: add"),
        feature("own-forward-refused", Own(0.5), "the model: Own has a forward of its own"),
        feature("function-refused", ByFunction(), "dropout=0.25, and may apply it by a function"),
    ],
)
def test_nothing_to_replace(model, message):
    with pytest.raises(UsageError, match=message):
        bridle.replace_dropout(model)


@pytest.mark.parametrize("seed", [feature("beside-regularize", 0)])
def test_streams_are_not_those_of_other_noises(seed):
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.ReLU())
    rules = {nn.ReLU: bridle.Dropout(keep_prob=0.5), "0": bridle.DropConnect(keep_prob=0.5)}
    bridle.regularize(model, rules, seed=seed)
    assert str(bridle.replace_dropout(model, seed=seed)) == "Dropout(p=0.5) at 1 (stream 2)"


@pytest.mark.parametrize("k", [feature("predict-ensemble", 5), feature("subnetwork", 1)])
def test_ensembles_have_the_masks_of_the_training_passes(k):
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(RATE), nn.Linear(8, 3))
    replaced = bridle.replace_dropout(model, seed=2)
    X = torch.randn(6, 8)
    found = bridle.predict_ensemble(model, X, k=k, objective="squared_error")
    with torch.no_grad():
        each = torch.stack([model(X) for _ in range(k)]).double()
    torch.testing.assert_close(found.mean, each.mean(0))
    torch.testing.assert_close(bridle.subnetwork(model, 0)(X)[0].double(), each[0, 0])
    assert replaced.state_dict() == {"after 1": k, "seed": 2}


@pytest.mark.parametrize("name", [feature("audit", "drop")])
def test_the_audit_passes(name):
    model, X = Shared(), torch.randn(64, 8)
    replaced = bridle.replace_dropout(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    audited = bridle.audit(model, optimizer, (X, torch.randn(64, 3)))
    assert audited.exit_code == 0
    assert name in str(audited)
    assert replaced.state_dict() == {"after drop": 0}


@pytest.mark.parametrize("keys", [feature("resume", {"after fc": 3})])
def test_checkpoints_of_other_models_are_refused(keys):
    replaced = bridle.replace_dropout(Shared())
    with pytest.raises(UsageError, match="they differ in after drop, after fc"):
        replaced.load_state_dict(keys)
