"""Every variant of dropout in a module: audit, undo, checkpoints, copies."""

import copy
import io

import pytest
import torch
from regularize_helpers import HALF, RISING, adam, steps
from torch import nn

import bridle
from bridle.modules.noise_hooks import noises_of, parameters_of

pytestmark = pytest.mark.filterwarnings("ignore:.*thrown away before its learned rates")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


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
    rates = [noise.noise.keep_at(noise.counter.next_address) for noise in receipt.noises]
    audited = bridle.audit(model, optimizer, (x, torch.arange(len(x)) % 3))
    assert audited.passed, str(audited)
    assert not audited.findings
    assert len(audited.noises) == len(receipt.noises)
    for seen, rate in zip(audited.noises, rates, strict=True):
        assert seen.keep_prob == pytest.approx(rate)
        assert abs(seen.kept - rate) < 0.25
        assert seen.kept < 1
    assert all(noise.counter.step == 0 for noise in receipt.noises)


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
    assert [noise.counter.step for noise in noises_of(model)] == [
        noise.counter.step for noise in noises_of(others[1])
    ]
