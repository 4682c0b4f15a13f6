"""Monte Carlo dropout of any module: beside torch's own training mode, and beside given masks."""

import copy
import random

import numpy as np
import pytest
import torch
from ensemble_models import FLAT, MODELS, RATE, Attention, Functional, Gate, build, feature
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import bridle
from bridle.errors import UsageError
from bridle.ops import address_of, dropout

COUNT = 400
REGRESSION = {"objective": "squared_error"}


def tensor_of(found):
    return found["logits"] if isinstance(found, dict) else found


@pytest.mark.parametrize("name", [feature(name, name) for name in MODELS])
def test_moments_are_those_of_torchs_training_mode(name):
    """Only dropout acts: other modules of these models compute the same in both modes."""
    model, X = build(name)
    found = bridle.predict_ensemble(model.eval(), X.clone(), k=COUNT, **REGRESSION)
    own = copy.deepcopy(model)
    for module in own.modules():
        module.training = not isinstance(module, nn.BatchNorm1d)
    with torch.no_grad():
        sampled = torch.stack([tensor_of(own(X.clone())) for _ in range(COUNT)])
    assert found.mean.shape == found.std.shape == sampled.shape[1:]
    assert found.std.max() > 0
    error = sampled.std(0) / COUNT**0.5
    assert ((found.mean - sampled.mean(0)).abs() <= 7 * error + 1e-9).all()
    largest = sampled.std(0).max()
    torch.testing.assert_close(found.std, sampled.std(0), rtol=0.2, atol=0.1 * float(largest))


@pytest.mark.parametrize("name", [feature(f"{name}-unchanged", name) for name in MODELS])
@pytest.mark.parametrize("training", [True, False])
def test_nothing_of_the_model_changes_and_the_seed_names_the_masks(name, training):
    model, X = build(name)
    model.train(training)
    before = copy.deepcopy(model.state_dict())
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    found = [
        bridle.predict_ensemble(model, X.clone(), k=6, seed=seed, **REGRESSION)
        for seed in (5, 5, 6)
    ]
    assert torch.equal(found[0].mean, found[1].mean)
    assert torch.equal(found[0].std, found[1].std)
    assert not torch.equal(found[0].mean, found[2].mean)
    assert all(module.training is training for module in model.modules())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.equal(states[0], torch.get_rng_state())
    assert (states[1], states[2]) == (np.random.get_state()[1].tolist(), random.getstate())
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("name", [feature("given-masks", "module")])
def test_masks_are_those_of_their_addresses(name):
    model, X = build(name)
    found = bridle.predict_ensemble(model, X, k=[2, 9, 4], seed=7, **REGRESSION)
    with torch.no_grad():
        hidden = model[0](X)
    each = torch.stack(
        [dropout(hidden, address_of(7, stream=0, step=k), 1 - RATE) for k in (2, 9, 4)]
    )
    torch.testing.assert_close(found.mean, each.mean(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.std, each.std(0, correction=0), rtol=1e-9, atol=1e-12)


class Unfused(nn.Module):
    """The encoder layer by hand, with torch's weights and given masks."""

    def __init__(self, layer, seed, step):
        super().__init__()
        self.layer, self.seed, self.step = layer, seed, step

    def drop(self, x, stream):
        return dropout(x, address_of(self.seed, stream=stream, step=self.step), 1 - RATE)

    def forward(self, x):
        own, rows = self.layer.self_attn, x.shape[0]
        q, k, v = (x @ own.in_proj_weight.T + own.in_proj_bias).chunk(3, -1)
        q, k, v = (part.view(rows, -1, 2, 4).transpose(1, 2) for part in (q, k, v))
        weights = self.drop((q @ k.mT / 2).softmax(-1), 0)
        mixed = (weights @ v).transpose(1, 2).reshape(x.shape)
        x = self.layer.norm1(x + self.drop(own.out_proj(mixed), 1))
        hidden = self.drop(self.layer.linear1(x).relu(), 2)
        return self.layer.norm2(x + self.drop(self.layer.linear2(hidden), 3))


@pytest.mark.parametrize("start", [feature("transformer-given-masks", 3)])
def test_transformer_with_given_masks(start):
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=RATE, batch_first=True).double().eval()
    X = torch.randn(5, 4, 8, dtype=torch.float64)
    steps = range(start, start + 3)
    with torch.no_grad():
        each = torch.stack([Unfused(layer, 1, k)(X).softmax(-1) for k in steps])
    found = bridle.predict_ensemble(layer, X, k=steps, seed=1)
    torch.testing.assert_close(found.mean, each.mean(0), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found.std, each.std(0, correction=0), rtol=1e-7, atol=1e-12)


def regularized():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(RATE), nn.Linear(16, 3)
    ).double()
    rules = {
        nn.ReLU: bridle.Dropout(keep_prob=0.6, scaling="classic"),
        "0": bridle.DropConnect(keep_prob=0.7),
    }
    return model, bridle.regularize(model, rules, seed=3)


@pytest.mark.parametrize("count", [feature("regularize", 5), feature("batchnorm", 4)])
def test_noises_of_regularize_have_the_masks_of_the_training_passes(count):
    model, receipt = regularized()
    model[3].p = 0.0
    X = torch.randn(FLAT, dtype=torch.float64)
    model(X)  # the statistics of batch normalization are no longer those of a new module
    start = dict.fromkeys(receipt.state_dict(), 0) | {"seed": 3}
    receipt.load_state_dict(start)
    found = bridle.predict_ensemble(model, X, k=count, **REGRESSION)
    assert receipt.state_dict() == start
    model.train()
    model[1].eval()
    with torch.no_grad():
        each = torch.stack([model(X) for _ in range(count)])
    torch.testing.assert_close(found.mean, each.mean(0), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found.std, each.std(0, correction=0), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("k", [feature("subnetwork", 4)])
def test_row_0_is_that_of_the_subnetwork(k):
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3)).double()
    bridle.regularize(model, {nn.ReLU: bridle.Dropout(keep_prob=0.5)})
    X = torch.randn(FLAT, dtype=torch.float64)
    found = bridle.predict_ensemble(model, X, k=[k])
    torch.testing.assert_close(found.mean[0], bridle.subnetwork(model, k)(X)[0].softmax(-1))


@pytest.mark.parametrize("name", [feature("module-called-twice", "module")])
def test_a_module_with_noise_that_runs_twice_has_two_masks(name):
    shared = nn.Sequential(nn.Linear(8, 8).double())
    receipt = bridle.regularize(shared, {"0": bridle.Dropout(keep_prob=0.5)})
    model = nn.Sequential(shared, nn.Tanh(), shared)
    X = torch.randn(FLAT, dtype=torch.float64)
    found = bridle.predict_ensemble(model, X, k=4, **REGRESSION)
    with torch.no_grad():
        each = torch.stack([model.train()(X) for _ in range(4)])
    torch.testing.assert_close(found.mean, each.mean(0), rtol=1e-10, atol=1e-12)
    assert receipt.state_dict() == {"after 0": 8}


BATCHED = ("module", "channels-2d", "transformer", "mha-with-weights", "hugging-face-style")


@pytest.mark.parametrize("name", [feature(f"{name}-batches", name) for name in BATCHED])
def test_batches_of_a_loader_give_what_one_batch_gives(name):
    model, X = build(name)
    whole = bridle.predict_ensemble(model, X, k=8, **REGRESSION)
    labelled = DataLoader(TensorDataset(X, torch.arange(len(X))), batch_size=2)
    loaders = [DataLoader(TensorDataset(X), batch_size=2), (part for part in X.split(2)), labelled]
    if name == "transformer":  # whose second argument could be the labels
        with pytest.raises(UsageError, match="not clear which of them it takes"):
            bridle.predict_ensemble(model, loaders.pop(), k=8)
    for loader in loaders:
        found = bridle.predict_ensemble(model, loader, k=8, **REGRESSION)
        torch.testing.assert_close(found.mean, whole.mean, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(found.std, whole.std, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", [feature("arguments", "hugging-face-style")])
def test_arguments_by_name_by_place_and_outputs(name):
    model, X = build(name)
    found = bridle.predict_ensemble(model, {"hidden_states": X}, k=4)
    assert torch.equal(found.mean, bridle.predict_ensemble(model, (X,), k=4).mean)
    weights = bridle.predict_ensemble(
        model, [{"hidden_states": X}], k=4, output=lambda out: out["attentions"], **REGRESSION
    )
    assert weights.mean.shape == (5, 4, 4)
    assert found.entropy.shape == found.mutual_information.shape == (5, 4)


@pytest.mark.parametrize("axis", [feature("class-axis", 1)])
def test_classes_on_a_given_axis_come_last(axis):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Dropout2d(RATE))
    X = torch.randn(2, 3, 5, 6)
    found = bridle.predict_ensemble(model, X, k=5, class_axis=axis)
    assert found.mean.shape == (2, 5, 6, 4)
    torch.testing.assert_close(found.mean.sum(-1), torch.ones(2, 5, 6, dtype=torch.float64))
    with pytest.raises(UsageError, match="give class_axis=1"):
        bridle.predict_ensemble(model, X, k=5)


class Failing(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop, self.count = nn.Dropout(0.5), 0
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        self.count += 1
        self.passes += 1
        if self.count == 4:
            raise KeyError("the data are wrong")
        return self.drop(x)


@pytest.mark.parametrize("training", [feature("exception", True)])
def test_everything_is_restored_after_an_exception(training):
    model, receipt = regularized()
    model.append(Failing())
    model[1].eval()
    hooks = [list(module._forward_hooks.values()) for module in model.modules()]
    noises = [each.noise for each in receipt.noises]
    X = torch.randn(FLAT, dtype=torch.float64)
    state = torch.get_rng_state()
    with pytest.raises(KeyError, match="the data are wrong"):
        bridle.predict_ensemble(model, X, k=9)
    assert [module.training for module in model] == [training, False, *[training] * 4]
    assert [list(module._forward_hooks.values()) for module in model.modules()] == hooks
    assert [each.noise for each in receipt.noises] == noises
    assert torch.equal(state, torch.get_rng_state())
    assert model[-1].passes == 0
    assert torch.is_grad_enabled()


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch's own, at import
@pytest.mark.parametrize("backend", [feature("compile", "inductor")])
def test_compiled_models_run_uncompiled(backend):
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(RATE)).eval()
    X = torch.randn(FLAT)
    wanted = bridle.predict_ensemble(model, X, k=5)
    compiled = torch.compile(model, backend=backend)
    compiled(X)
    model.compile()
    for each in (compiled, model):
        assert torch.equal(bridle.predict_ensemble(each, X, k=5).mean, wanted.mean)
    assert torch.equal(compiled(X), model(X))


@pytest.mark.parametrize("name", [feature("backward-pending", "batchnorm")])
def test_a_pending_backward_pass_is_not_disturbed(name):
    model = Functional().eval()
    X = torch.randn(FLAT)
    loss = model(X).square().sum()
    bridle.predict_ensemble(model, X, k=3, **REGRESSION)
    loss.backward()
    assert model.linear.weight.grad is not None


@pytest.mark.parametrize("name", [feature("nested", "nested")])
def test_nested_tensors(name):
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(RATE))
    parts = [torch.randn(2, 8), torch.randn(3, 8)]
    X = torch.nested.nested_tensor(parts, layout=torch.jagged)
    values = {"output": lambda out: out.values(), **REGRESSION}
    found = bridle.predict_ensemble(model, X, k=5, **values)
    assert found.std.max() > 0
    assert torch.equal(found.mean, bridle.predict_ensemble(model, X, k=5, **values).mean)


@pytest.mark.parametrize("name", [feature("padding", "padding")])
def test_padding_masks_of_a_transformer(name):
    model, X = build("transformer")
    padding = torch.zeros(5, 4, dtype=torch.bool)
    padding[:, 3] = True
    found = bridle.predict_ensemble(
        model, {"src": X, "src_key_padding_mask": padding}, k=5, **REGRESSION
    )
    moved = X.clone()
    moved[:, 3] += 1
    other = bridle.predict_ensemble(
        model, {"src": moved, "src_key_padding_mask": padding}, k=5, **REGRESSION
    )
    torch.testing.assert_close(found.mean[:, :3], other.mean[:, :3])
    assert found.std.min() > 0


@pytest.mark.parametrize("gate", [feature("modes-of-children", Gate)])
def test_a_gate_is_opened_alone(gate):
    """The module that gates its dropout is put in training mode; batch normalization is not."""
    model = nn.Sequential(gate(), nn.BatchNorm1d(4), Attention())
    X = torch.randn(5, 4, 8)
    before = copy.deepcopy(model.state_dict())
    found = bridle.predict_ensemble(model, X, k=4)
    assert found.std.min() > 0
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
