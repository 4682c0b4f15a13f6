"""``regularize``: noise acts, the rest of the model stays, ``undo`` restores it bit for bit."""

import copy
import io
from collections import OrderedDict, defaultdict
from functools import partial

import pytest
import torch
from regularize_helpers import CONNECT, DROP, adam, mlp, steps
from torch import nn

import bridle
from bridle.errors import UsageError
from bridle.modules.noise_hooks import noises_of


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.body = nn.Linear(8, 8)
        self.decoder = nn.Linear(8, 11, bias=False)
        self.decoder.weight = self.embedding.weight

    def forward(self, x):
        return self.decoder(torch.tanh(self.body(self.embedding(x))))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(5, 6, num_layers=2, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def cnn():
    layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)]
    return nn.Sequential(*layers), torch.randn(7, 1, 8, 8)


def transformer():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), torch.randn(7, 4, 8)


def lstm():
    return Recurrent(), torch.randn(7, 4, 5)


def tied():
    return Tied(), torch.randint(11, (7, 4))


CASES = {
    "mlp": (mlp, {nn.ReLU: DROP, "0": CONNECT}),
    "cnn": (cnn, {nn.BatchNorm2d: DROP, "0": CONNECT, "4": bridle.Before(DROP)}),
    "transformer": (transformer, {"*.linear1": DROP, "*.self_attn": [DROP, CONNECT]}),
    "lstm": (lstm, {"lstm": DROP, "lstm.weight_hh_*": CONNECT}),
    "tied": (tied, {"embedding": DROP, "decoder": CONNECT, "body": bridle.Before(DROP)}),
}


@pytest.fixture(params=CASES)
def case(request):
    torch.manual_seed(0)
    build, rules = CASES[request.param]
    model, x = build()
    return model, x, rules


def _state(model):
    """Everything that surgery must leave as it was."""
    return {
        "keys": list(model.state_dict()),
        "values": [value.clone() for value in model.state_dict().values()],
        "names": [name for name, _ in model.named_parameters()],
        "parameters": [id(parameter) for parameter in model.parameters()],
        "modules": [(name, type(m), m.training) for name, m in model.named_modules()],
        "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()],
        "attributes": [sorted(module.__dict__) for module in model.modules()],
    }


def _assert_same(one, other, *, hooks=True):
    for name, value in one.items():
        if name == "values":
            assert all(torch.equal(a, b) for a, b in zip(value, other[name], strict=True))
        elif name != "hooks" or hooks:
            assert value == other[name], name


def test_nothing_but_hooks_changes_and_undo_takes_these_off(case):
    model, _, rules = case
    before = _state(model)
    receipt = bridle.regularize(model, rules)
    assert noises_of(model)
    _assert_same(before, _state(model), hooks=False)
    receipt.undo()
    receipt.undo()
    _assert_same(before, _state(model))
    assert noises_of(model) == []


def test_steps_after_undo_are_those_of_a_model_never_touched(case):
    model, x, rules = case
    model(x)  # so that running statistics have begun
    plain = copy.deepcopy(model)
    optimizer, other = adam(model), adam(plain)
    steps(model, optimizer, x)
    steps(plain, other, x)
    receipt = bridle.regularize(model, {**rules, "*": bridle.L1(1e-3)}, optimizer=optimizer)
    receipt.undo()
    steps(model, optimizer, x)
    steps(plain, other, x)
    _assert_same(
        {"values": list(model.state_dict().values())},
        {"values": list(plain.state_dict().values())},
    )


def test_noise_acts_in_training_and_not_in_evaluation(case):
    model, x, rules = case
    expected = model.eval()(x)
    model.train()
    plain = model(x)
    bridle.regularize(model, rules)
    assert not torch.allclose(model(x), plain)
    assert not torch.equal(model(x), model(x))
    model.eval()
    running = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    if not running:  # whose statistics the passes above have moved
        assert torch.allclose(model(x), expected, atol=1e-6)
    assert torch.equal(model(x), model(x))


def test_every_single_noise_acts(case):
    model, x, rules = case
    torch.manual_seed(1)
    plain = model.train()(x)
    receipt = bridle.regularize(model, rules)
    places = [(noise.where, noise.name) for noise in receipt.noises]
    receipt.undo()
    for place in places:
        alone = bridle.regularize(model, rules)
        for noise in alone.noises:
            if (noise.where, noise.name) != place:
                noise.noise = type(noise.noise)(keep_prob=1.0)
        assert not torch.allclose(model(x), plain), place
        alone.undo()
    assert torch.allclose(model(x), plain, atol=1e-6)


def test_gradients_reach_the_parameters_through_the_masks(case):
    model, x, rules = case
    bridle.regularize(model, rules)
    optimizer = adam(model)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    steps(model, optimizer, x)
    moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert all(moved)


def test_masks_are_those_of_the_address():
    model, x = mlp()
    receipt = bridle.regularize(model, {"1": DROP, "2": CONNECT}, seed=5)
    model(x)
    hidden = model[1].forward(model[0](x))
    dropped = DROP.train(hidden, bridle.address_of(seed=5, stream=0, step=1))
    weight = CONNECT.train(model[2].weight, bridle.address_of(seed=5, stream=1, step=1))
    expected = model[4](model[3](nn.functional.linear(dropped, weight, model[2].bias)))
    assert torch.equal(model(x), expected)
    assert receipt.state_dict() == {"after 1": 2, "on 2.weight": 2, "seed": 5}


def test_classic_scaling_multiplies_at_prediction():
    model, x = mlp()
    hidden = model[:2](x)
    classic = bridle.Dropout(keep_prob=0.5, scaling="classic")
    bridle.regularize(model.eval(), {"1": classic})
    assert torch.allclose(model(x), model[2:](0.5 * hidden), atol=1e-6)


def test_a_run_goes_on_from_a_checkpoint_bit_for_bit():
    def build():
        torch.manual_seed(0)
        model, x = mlp()
        optimizer = adam(model)
        rules = {nn.ReLU: DROP, "0": CONNECT, "*": bridle.L1(1e-3)}
        return model, x, optimizer, bridle.regularize(model, rules, optimizer=optimizer)

    model, x, optimizer, receipt = build()
    steps(model, optimizer, x)
    file = io.BytesIO()
    parts = (model, optimizer, receipt)
    torch.save([part.state_dict() for part in parts], file)
    steps(model, optimizer, x)
    file.seek(0)
    other, x, *rest = build()
    for part, state in zip((other, *rest), torch.load(file), strict=True):
        part.load_state_dict(state)
    steps(other, rest[0], x)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_checkpoint_of_other_rules_is_refused():
    model, _ = mlp()
    receipt = bridle.regularize(model, {nn.ReLU: DROP})
    with pytest.raises(UsageError, match="'after 9'"):
        receipt.load_state_dict({"after 9": 1})


@pytest.mark.parametrize("put", [
    lambda model, seed: bridle.regularize(model, {nn.Dropout: DROP}, seed=seed),
    lambda model, seed: bridle.replace_dropout(model, seed=seed),
], ids=["regularize", "replace_dropout"])  # fmt: skip
def test_a_checkpoint_of_another_seed_is_refused(put):
    """Its masks would not be those of the run that was saved."""

    def of(seed):
        return put(nn.Sequential(nn.Linear(5, 4), nn.Dropout(0.5)), seed)

    of(7).load_state_dict(of(7).state_dict())
    for saved, now in ((0, 7), (7, 0), (7, 8)):
        with pytest.raises(UsageError, match=rf"saved with seed={saved}, .* give seed={saved}"):
            of(now).load_state_dict(of(saved).state_dict())


@pytest.mark.parametrize(("kind", "keys"), [(dict, [0, "b"]), (OrderedDict, [1]),
                                        (partial(defaultdict, list), ["a"])])  # fmt: skip
def test_mappings_keep_their_type_and_keys_of_any_kind(kind, keys):
    class Named(nn.Module):
        def forward(self, x):
            return kind(dict.fromkeys(keys, x))

    named = Named()
    bridle.regularize(named, {Named: DROP})
    out = named(torch.ones(4, 9))
    assert list(out) == keys
    assert type(out) is type(kind())
    assert (out[keys[0]] == 0).any()
    if isinstance(out, defaultdict):
        assert out["other"] == []


def test_packed_sequences_and_dictionaries():
    packed = nn.utils.rnn.pack_sequence([torch.randn(3, 5), torch.randn(2, 5)])
    recurrent = nn.LSTM(5, 6)
    bridle.regularize(recurrent, {nn.LSTM: DROP})
    out, _ = recurrent(packed)
    assert (out.data == 0).any()

    class Named(nn.Module):
        def forward(self, x):
            return {"hidden": x, "other": x}

    named = Named()
    bridle.regularize(named, {Named: DROP})
    out = named(torch.ones(4, 9))
    assert (out["hidden"] == 0).any()
    assert (out["other"] == 1).all()


def test_receipt_prints_and_attaches_later():
    model, _ = mlp()
    receipt = bridle.regularize(model, {"1": DROP, "4": bridle.L2(0.5)})
    assert "not attached" in str(receipt)
    receipt.attach(adam(model))
    assert "attached to Adam" in str(receipt)
    assert torch.allclose(receipt.value(), 0.25 * model[4].weight.square().sum())


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({}, "no rules"),
        ([DROP], "as the rules; give a mapping"),
        ({"fc*": DROP}, "no module matches 'fc"),
        ({nn.Conv2d: DROP}, "no module matches Conv2d; .*Sequential"),
        ({"0": 0.5}, "0.5 for '0' is not a rule"),
        ({"0": bridle.Dropout(keep_prob=0.5, shared=True)}, "only in bridle.Network"),
        ({"0": bridle.Dropout(keep_prob=torch.tensor([0.5]))}, "for each member"),
        ({"1": CONNECT}, "no parameter matches"),
        ({"1": DROP, "zz": bridle.L1(1)}, "no parameter matches 'zz'"),
    ],
)
def test_bad_rules(rules, message):
    model, _ = mlp()
    before = _state(model)
    with pytest.raises(UsageError, match=message):
        bridle.regularize(model, rules)
    _assert_same(before, _state(model))


def test_places_that_cannot_act():
    model, _ = transformer()
    with pytest.raises(UsageError, match=r"put dropout after 'layers.0.self_attn'"):
        bridle.regularize(model, {"*.out_proj": DROP})
    with pytest.raises(UsageError, match="ModuleList"):
        bridle.regularize(model, {"layers": DROP})
    bridle.regularize(model, {"*.linear1": DROP})
    with pytest.raises(UsageError, match="already"):
        bridle.regularize(model, {"layers.0.linear1": DROP})


def test_an_optimizer_that_does_not_fit_leaves_the_model_as_it_was():
    model, _ = mlp()
    before = _state(model)
    with pytest.raises(UsageError, match="adaptive"):
        bridle.regularize(
            model,
            {"1": DROP, "*": bridle.L1(1e-3)},
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
            metric="adaptive",
        )
    _assert_same(before, _state(model))
