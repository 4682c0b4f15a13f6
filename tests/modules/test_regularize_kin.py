"""The kin of dropout in modules of the user's: where they act, what they leave, what is learned."""

import copy
import io
import json

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import bridle
from bridle.errors import UsageError
from bridle.modules.placing import noises_of, parameters_of

HALF = {"keep_prob": 0.5}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def adam(model, **options):
    return torch.optim.Adam(model.parameters(), lr=0.01, **options)


def steps(model, optimizer, x, count=3):
    for _ in range(count):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()


# ------------------------------------------------------------------ recurrent networks


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("batch_first", [True, False])
def test_locked_dropout_asks_the_recurrent_module_for_the_axes(kind, batch_first):
    model = kind(6, 8, batch_first=batch_first)
    receipt = bridle.regularize(model, {kind: bridle.LockedDropout(**HALF)})
    assert receipt.noises[0].noise.batch_first is batch_first
    out = model(torch.randn(5, 7, 6))[0]
    dropped = out == 0
    time = 1 if batch_first else 0
    assert torch.equal(dropped.all(time), dropped.any(time))
    assert 0 < dropped.float().mean() < 1


def test_locked_dropout_on_inputs_with_weights_dropped_beside():
    """The pass by hand: one mask on the inputs of all steps, and one on the recurrent weights."""
    model = nn.LSTM(6, 8, batch_first=True)
    plain = copy.deepcopy(model)
    locked, drop = bridle.LockedDropout(**HALF), bridle.WeightDrop(drop_prob=0.4)
    bridle.regularize(model, {nn.LSTM: [bridle.Before(locked), drop]}, seed=3)
    x = torch.randn(4, 5, 6)
    mask = bridle.Dropout(**HALF).train(torch.ones(4, 6), bridle.address_of(3, stream=0))
    with torch.no_grad():
        weight = bridle.DropConnect(drop_prob=0.4).train(
            plain.weight_hh_l0, bridle.address_of(3, stream=1)
        )
        plain.weight_hh_l0.copy_(weight)
    expected = plain(x * mask[:, None])[0]
    assert torch.allclose(model(x)[0], expected, atol=1e-6)
    assert torch.allclose(model.eval()(x)[0], model(x)[0])


def test_weight_drop_is_on_recurrent_weights_alone():
    model = nn.Sequential(nn.LSTM(6, 8, num_layers=2, bidirectional=True), nn.Identity())
    receipt = bridle.regularize(model, {"*": bridle.WeightDrop(**HALF)})
    names = [noise.name for noise in receipt.noises]
    expected = [f"0.weight_hh_l{layer}{back}" for layer in (0, 1) for back in ("", "_reverse")]
    assert names == expected
    model[0](torch.randn(3, 2, 6))[0].sum().backward()
    for name, parameter in model[0].named_parameters():
        gradient = parameter.grad
        zeros = float((gradient == 0).float().mean())
        assert (0.3 < zeros < 0.7) if "weight_hh" in name else zeros < 0.1


def test_weight_drop_of_a_cell_and_of_nothing():
    cell = nn.GRUCell(6, 8)
    receipt = bridle.regularize(cell, {nn.GRUCell: bridle.WeightDrop(**HALF)})
    assert [noise.name for noise in receipt.noises] == ["weight_hh"]
    with pytest.raises(UsageError, match="no hidden-to-hidden weights"):
        bridle.regularize(nn.Linear(3, 4), {"*": bridle.WeightDrop(**HALF)})
    each = bridle.Scheduled(bridle.DropConnect(per_example=True, **HALF), RISING)
    with pytest.raises(UsageError, match=r"bridle\.Network only"):
        bridle.regularize(nn.Linear(3, 4), {"*": each})
    with pytest.raises(UsageError, match="no noise on what goes in"):
        bridle.regularize(nn.LSTM(3, 4), {nn.LSTM: bridle.Before(bridle.WeightDrop(**HALF))})


@pytest.mark.parametrize("name", ["LockedDropout", "Dropout", "DropPath", "GaussianDropout"])
def test_packed_sequences(name):
    model = nn.LSTM(6, 8, batch_first=True)
    lengths = torch.tensor([2, 5, 3])
    packed = pack_padded_sequence(
        torch.randn(3, 5, 6), lengths, batch_first=True, enforce_sorted=False
    )
    expected = pad_packed_sequence(model(packed)[0], batch_first=True)[0]
    bridle.regularize(model, {nn.LSTM: getattr(bridle, name)(**HALF)})
    out = pad_packed_sequence(model(packed)[0], batch_first=True)[0]
    assert not torch.allclose(out, expected)
    if name == "LockedDropout":
        noise = bridle.LockedDropout(batch_first=True, **HALF)
        assert torch.allclose(out, noise.train(expected, bridle.address_of(0)))
    model.eval()
    again = pad_packed_sequence(model(packed)[0], batch_first=True)[0]
    assert torch.allclose(again, expected)


# ------------------------------------------------------------------ residual branches


def encoder(batch_first=True):
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=batch_first)
    return nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)


def test_drop_path_grows_linearly_with_depth():
    model = encoder()
    rules = {"*.dropout2": bridle.DropPath(drop_prob=0.4, depth="linear")}
    receipt = bridle.regularize(model, rules)
    drops = [1 - noise.noise.keep_prob for noise in receipt.noises]
    assert drops == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert [noise.name for noise in receipt.noises] == [f"layers.{at}.dropout2" for at in range(4)]


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_branch_is_dropped_for_whole_examples(batch_first):
    """A norm-first layer with both branches dropped hands its input on, example by example."""
    layer = nn.TransformerEncoderLayer(
        8, 2, 16, dropout=0.0, batch_first=batch_first, norm_first=True
    )
    rules = {("dropout1", "dropout2"): bridle.DropPath(**HALF)}
    bridle.regularize(layer, rules)
    x = torch.randn(60, 3, 8)
    out = layer(x if batch_first else x.transpose(0, 1).contiguous())
    out = out if batch_first else out.transpose(0, 1)
    passed = (out == x).flatten(1).all(1)
    assert 5 < int(passed.sum()) < 30  # a quarter of 60
    assert not (out == x).flatten(1).any(1)[~passed].all()


# ------------------------------------------------------------------ convolutions


def test_spatial_dropout_after_convolutions():
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Conv2d(16, 8, 3))
    receipt = bridle.regularize(model, {nn.Conv2d: bridle.SpatialDropout(**HALF)})
    out = model(torch.randn(9, 3, 8, 8))
    kept = (out != 0).flatten(2)
    assert torch.equal(kept.any(2), kept.all(2))
    assert len(receipt.noises) == 2
    receipt.undo()
    assert (model(torch.randn(9, 3, 8, 8)) != 0).all()


# ------------------------------------------------------------------ concrete dropout


def concrete(**options):
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
    model.append(nn.Linear(16, 2))
    optimizer = adam(model)
    rules = {nn.ReLU: bridle.ConcreteDropout(drop_prob=0.2, **options)}
    return model, optimizer, bridle.regularize(model, rules, optimizer=optimizer)


def test_every_place_learns_a_rate_of_its_own():
    model, optimizer, receipt = concrete(entropy=1e-3)
    keys = list(model.state_dict())
    steps(model, optimizer, torch.randn(30, 5), 20)
    first, second = (noise.noise for noise in receipt.noises)
    assert first.learned is not second.learned
    assert len({first.keep_prob, second.keep_prob, 0.8}) == 3
    assert list(model.state_dict()) == keys
    assert f"ConcreteDropout(keep_prob={first.keep_prob:.4f}"[:30] in str(receipt)
    assert first.units == 16


def test_undo_leaves_the_optimizer_as_it_was():
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2))
    for groups in (
        [{"params": list(model.parameters())}],
        [{"params": list(model.parameters()), "weight_decay": 0.1}],
    ):
        optimizer = torch.optim.Adam(groups, lr=0.01)
        steps(model, optimizer, torch.randn(30, 5))
        before = copy.deepcopy(optimizer.state_dict())
        receipt = bridle.regularize(
            model, {nn.ReLU: bridle.ConcreteDropout(**HALF)}, optimizer=optimizer
        )
        (rate,) = (noise.noise.learned for noise in receipt.noises)
        decays = [
            group["weight_decay"]
            for group in optimizer.param_groups
            if any(p is rate for p in group["params"])
        ]
        assert decays == [0]
        steps(model, copy.copy(optimizer), torch.randn(30, 5), 0)
        receipt.undo()
        receipt.undo()
        after = optimizer.state_dict()
        assert before["param_groups"] == after["param_groups"]
        assert set(before["state"]) == set(after["state"])
        assert not optimizer._optimizer_step_pre_hooks
        assert not optimizer._optimizer_step_post_hooks


def test_rates_and_their_moments_go_on_from_a_checkpoint_bit_for_bit():
    x = torch.randn(30, 5)

    def run(count, saved=None):
        torch.manual_seed(1)
        parts = concrete(entropy=1e-3)
        if saved is not None:
            model_state, optimizer_state, receipt_state = saved
            parts[0].load_state_dict(model_state)
            parts[1].load_state_dict(optimizer_state)
            parts[2].load_state_dict(json.loads(receipt_state))
        steps(*parts[:2], x, count)
        states = [copy.deepcopy(part.state_dict()) for part in parts[:2]]
        rates = [float(noise.noise.learned.detach()) for noise in parts[2].noises]
        return rates, list(parts[0].parameters()), [*states, json.dumps(parts[2].state_dict())]

    rates, weights, _ = run(9)
    _, _, saved = run(4)
    again, resumed, _ = run(5, saved)
    assert rates == again
    assert all(map(torch.equal, weights, resumed))


def test_the_entropy_acts_once_in_a_step_however_many_passes_there_are():
    model, optimizer, receipt = concrete(entropy=0.5)
    (rate, _) = (noise.noise.learned for noise in receipt.noises)
    x = torch.randn(30, 5)
    seen = []
    optimizer.register_step_pre_hook(lambda *_: seen.append(rate.grad.clone()))
    for _ in range(3):
        (0 * model(x).sum()).backward()
    optimizer.step()
    expected = receipt.noises[0].noise
    logit = torch.logit(torch.tensor(0.2))
    assert torch.allclose(seen[0], 0.5 * expected.units * logit * 0.2 * 0.8, rtol=1e-4)


def test_a_scheduler_that_counted_the_groups():
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    torch.optim.lr_scheduler.StepLR(optimizer, 10)
    rules = {nn.ReLU: bridle.ConcreteDropout(**HALF)}
    with pytest.raises(UsageError, match="make the scheduler after"):
        bridle.regularize(model, rules, optimizer=optimizer)
    assert not noises_of(model)
    assert len(optimizer.param_groups) == 1


def test_a_scheduler_made_afterwards_outlives_the_rates():
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    rules = {nn.ReLU: bridle.ConcreteDropout(**HALF)}
    receipt = bridle.regularize(model, rules, optimizer=optimizer)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    x = torch.randn(30, 5)
    steps(model, optimizer, x, 1)
    scheduler.step()
    receipt.undo()
    steps(model, optimizer, x, 1)
    scheduler.step()
    assert [len(group["params"]) for group in optimizer.param_groups] == [4, 0]
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-4)


def test_rates_are_attached_later_and_to_one_optimizer_only():
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2))
    receipt = bridle.regularize(model, {nn.ReLU: bridle.ConcreteDropout(**HALF)})
    assert "rate after 1: learned, not attached" in str(receipt)
    optimizer, other = adam(model), adam(model)
    assert receipt.attach(optimizer) is None
    receipt.attach(other)
    (rate,) = (noise.noise.learned for noise in receipt.noises)
    held = [
        sum(p is rate for group in each.param_groups for p in group["params"])
        for each in (optimizer, other)
    ]
    assert held == [1, 0]


RANKS = """
import torch
import torch.distributed as dist
import bridle
from torch import nn
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
rules = {nn.ReLU: bridle.ConcreteDropout(drop_prob=0.2)}
receipt = bridle.regularize(model, rules, optimizer=optimizer)
wrapped = DistributedDataParallel(model)
x = torch.randn(40, 5, generator=torch.Generator().manual_seed(5))[rank::2]
for _ in range(5):
    optimizer.zero_grad()
    wrapped(x).square().mean().backward()
    optimizer.step()
rates = [None, None]
dist.all_gather_object(rates, receipt.state_dict()["rate after 1"])
assert rates[0] == rates[1], rates
assert abs(rates[0] - torch.logit(torch.tensor(0.2)).item()) > 1e-3
dist.destroy_process_group()
"""


def test_processes_learn_one_rate(torchrun):
    torchrun(RANKS)


# ------------------------------------------------------------------ all of them


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(5, 12, batch_first=True)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def lstm():
    return Recurrent(), torch.randn(32, 6, 5)


def mlp():
    layers = [nn.Linear(5, 24), nn.SELU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 3)]
    return nn.Sequential(*layers), torch.randn(32, 5)


def cnn():
    layers = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(128, 3)]
    return nn.Sequential(*layers), torch.randn(32, 1, 8, 8)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(5, 16)
        self.branches = nn.ModuleList(nn.Linear(16, 16) for _ in range(3))
        self.last = nn.Linear(16, 3)

    def forward(self, x):
        x = self.first(x)
        for branch in self.branches:
            x = x + torch.relu(branch(x))
        return self.last(x)


RISING = bridle.LinearSchedule(0.6, 1.0, steps=9)
CASES = {
    "alpha": (mlp, {nn.SELU: bridle.AlphaDropout(**HALF)}),
    "gaussian": (mlp, {nn.ReLU: bridle.GaussianDropout(**HALF)}),
    "concrete": (mlp, {nn.ReLU: bridle.ConcreteDropout(**HALF)}),
    "spatial": (cnn, {nn.ReLU: bridle.SpatialDropout(**HALF)}),
    "feature alpha": (cnn, {"2": bridle.FeatureAlphaDropout(**HALF)}),
    "locked": (lstm, {"lstm": bridle.LockedDropout(**HALF)}),
    "locked inputs": (lstm, {"lstm": bridle.Before(bridle.LockedDropout(**HALF))}),
    "weight-drop": (lstm, {"lstm": bridle.WeightDrop(**HALF)}),
    "drop path": (
        lambda: (Residual(), torch.randn(48, 5)),
        {"branches.*": bridle.DropPath(keep_prob=0.4, depth="linear")},
    ),
    "early": (mlp, {nn.ReLU: bridle.early_dropout(bridle.Dropout(**HALF), steps=10)}),
    "scheduled alpha": (
        mlp,
        {nn.SELU: bridle.Scheduled(bridle.AlphaDropout(**HALF), RISING)},
    ),
    "scheduled weights": (
        mlp,
        {"2": bridle.Scheduled(bridle.DropConnect(**HALF), RISING)},
    ),
}


@pytest.fixture(params=CASES)
def case(request):
    build, rules = CASES[request.param]
    model, x = build()
    return model, x, rules


def test_the_audit_sees_that_each_acts_at_its_rate(case):
    model, x, rules = case
    optimizer = adam(model)
    receipt = bridle.regularize(model, rules, optimizer=optimizer)
    rates = [noise.noise.keep_at(noise.clock.next) for noise in receipt.noises]
    audited = bridle.audit(model, optimizer, (x, torch.arange(len(x)) % 3))
    assert audited.passed, str(audited)
    assert not audited.findings
    assert len(audited.noises) == len(receipt.noises)
    for seen, rate in zip(audited.noises, rates, strict=True):
        assert seen.keep_prob == pytest.approx(rate)
        assert abs(seen.kept - rate) < 0.25
        assert seen.kept < 1
    assert all(noise.clock.step == 0 for noise in receipt.noises)


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("name", ["GaussianDropout", "AlphaDropout"])
def test_the_audit_of_a_network_with_other_noise(name, scheduled):
    noise = getattr(bridle, name)(keep_prob=torch.tensor([0.5, 0.9]))
    if scheduled:
        noise = bridle.Scheduled(noise, bridle.LinearSchedule(0.5, 1.0, steps=9))
    network = bridle.Network([5, 40, 3], hidden_noise=noise, activation="tanh", seeds=[1, 2])
    batch = (torch.randn(64, 5), torch.arange(64) % 3)

    def loss(model, batch):
        total = sum(nn.functional.cross_entropy(out, batch[1]) for out in model(batch[0]))
        model.steps += 1  # as train_step does
        return total

    audited = bridle.audit(network, adam(network), batch, loss=loss)
    assert audited.passed, str(audited)
    assert audited.noises[0].keep_prob == pytest.approx(0.85 if scheduled else 0.7)


def test_the_audit_measures_the_entropy_of_a_rate():
    model, x = mlp()
    optimizer = adam(model)
    rules = {nn.ReLU: bridle.ConcreteDropout(drop_prob=0.2, entropy=1e-2)}
    bridle.regularize(model, rules, optimizer=optimizer)
    audited = bridle.audit(model, optimizer, (x, torch.arange(32) % 3))
    assert audited.passed
    (effect,) = audited.effects
    logit = float(torch.logit(torch.tensor(0.2, dtype=torch.float64)))
    assert effect.parameter == "rate after 3"
    assert effect.route == "coupled"
    assert effect.expected == pytest.approx(abs(1e-2 * 24 * logit * 0.16), rel=1e-5)
    assert effect.error < 1e-4


def test_the_audit_finds_a_rate_that_nothing_learns():
    model, x = mlp()
    bridle.regularize(model, {nn.ReLU: bridle.ConcreteDropout(**HALF)})
    audited = bridle.audit(model, adam(model), (x, torch.arange(32) % 3))
    found = [(f.kind, f.subject, f.message) for f in audited.findings if f.severity == "fail"]
    assert [each[:2] for each in found] == [("not optimized", "rate after 3")]
    assert "receipt.attach(optimizer)" in found[0][2]


def test_the_audit_of_schedules_that_rest():
    model, x = mlp()
    optimizer = adam(model)
    late = bridle.late_dropout(bridle.Dropout(**HALF), steps=5)
    rising = bridle.Annealed(bridle.L1(0.1), bridle.LinearSchedule(0.0, 1.0, steps=5))
    receipt = bridle.regularize(model, {nn.ReLU: late, "0.*": rising}, optimizer=optimizer)
    batch = (x, torch.arange(32) % 3)
    audited = bridle.audit(model, optimizer, batch)
    assert audited.passed, str(audited)
    assert [(f.kind, f.severity) for f in audited.findings] == [("resting penalty", "warn")]
    assert (audited.noises[0].keep_prob, audited.noises[0].kept) == (1, 1)
    state = receipt.state_dict()
    receipt.load_state_dict(dict.fromkeys(state, 5))
    audited = bridle.audit(model, optimizer, batch)
    assert audited.passed
    assert not audited.findings
    assert 0.3 < audited.noises[0].kept < 0.7
    assert audited.effects[0].penalty == "Scaled(L1(0.1), 1)"


@pytest.mark.parametrize("kind", [nn.AlphaDropout, nn.FeatureAlphaDropout, nn.Dropout2d])
def test_the_audit_sees_torchs_own_by_what_they_draw(kind):
    layers = [nn.Conv2d(1, 16, 3), kind(p=0.4), nn.Flatten(), nn.Linear(576, 3)]
    model = nn.Sequential(*layers)
    batch = (torch.randn(32, 1, 8, 8), torch.arange(32) % 3)
    audited = bridle.audit(model, adam(model), batch)
    assert audited.passed, str(audited)
    assert not audited.findings
    assert audited.noises[0].kept == pytest.approx(0.6, abs=0.15)


def test_the_audit_catches_gaussian_dropout_that_does_nothing():
    class Idle(nn.Module):
        def forward(self, x):
            return x

    model, x = mlp()
    model.insert(4, Idle())
    bridle.regularize(model, {Idle: bridle.GaussianDropout(keep_prob=0.5)})
    (noise,) = noises_of(model)
    noise.noise.train = lambda x, address, rows=None: x
    audited = bridle.audit(model, adam(model), (x, torch.arange(32) % 3))
    assert [f.kind for f in audited.findings] == ["noise inactive in training"]


def test_prediction_is_what_it_was_and_undo_restores_all(case):
    model, x, rules = case
    plain = copy.deepcopy(model)
    optimizer = adam(model)
    receipt = bridle.regularize(model, rules, optimizer=optimizer)
    assert not torch.allclose(model(x), plain(x))
    assert torch.allclose(model.eval()(x), plain.eval()(x), atol=1e-6)
    receipt.undo()
    assert torch.equal(model.train()(x), plain.train()(x))
    assert not noises_of(model)
    assert list(parameters_of(model)) == [name for name, _ in plain.named_parameters()]
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_a_resumed_run_is_the_run_that_was_never_stopped(case):
    model, x, rules = case
    start = copy.deepcopy(model)

    def run(model, count, saved=None):
        optimizer = adam(model)
        parts = (model, optimizer, bridle.regularize(model, rules, optimizer=optimizer))
        if saved is not None:
            saved.seek(0)
            for part, state in zip(parts, torch.load(saved), strict=True):
                part.load_state_dict(state)
        steps(model, optimizer, x, count)
        file = io.BytesIO()
        torch.save([part.state_dict() for part in parts], file)
        return file

    whole, part, rest = (copy.deepcopy(start) for _ in range(3))
    run(whole, 6)
    run(rest, 3, run(part, 3))
    assert all(map(torch.equal, whole.parameters(), rest.parameters()))


def test_copies_and_pickles_draw_the_same_noise(case):
    model, x, rules = case
    bridle.regularize(model, rules)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    others = [copy.deepcopy(model), torch.load(file, weights_only=False)]
    outs = [each(x) for each in (model, *others)]
    assert torch.equal(outs[0], outs[1])
    assert torch.equal(outs[0], outs[2])
    assert [noise.clock.step for noise in noises_of(model)] == [
        noise.clock.step for noise in noises_of(others[1])
    ]
