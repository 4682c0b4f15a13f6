"""Penalties with a schedule: by hand, in training, and in runs that are resumed."""

import copy
import io
import math

import pytest
import torch
from torch import nn

import bridle
from bridle.errors import UsageError
from bridle.penalties import Scaled, add_gradients, apply_prox, at_step
from schedule_forms import FORMS, Halving


def _data():
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(40, 5, generator=generator)
    return X, (X[:, 0] > 0).long()


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("mode", ["proximal", "coupled"])
def test_attached_penalties_follow_the_schedule(name, mode):
    """Beside a loop that takes a penalty of the step's own strength, made by hand."""
    X, y = _data()
    torch.manual_seed(0)
    model = nn.Linear(5, 2)
    other = copy.deepcopy(model)
    optimizer, manual = OPTIMIZERS[name](model.parameters()), OPTIMIZERS[name](other.parameters())
    schedule, form = FORMS["cosine"]
    rules = {"weight": [bridle.Annealed(bridle.L1(0.05), schedule), bridle.L2(0.1)]}
    attached = bridle.attach(optimizer, rules, model=model, mode=mode)
    for step in range(14):
        now = [bridle.L1(0.05 * form(step)), bridle.L2(0.1)]
        assert torch.allclose(attached.value(), sum(each.value(model.weight) for each in now))
        for net, opt in ((model, optimizer), (other, manual)):
            opt.zero_grad()
            nn.functional.cross_entropy(net(X), y).backward()
            if net is other and mode == "coupled":
                add_gradients([other.weight], now)
            opt.step()
        if mode == "proximal":
            apply_prox(manual, [other.weight], now)
        assert torch.allclose(model.weight, other.weight, atol=1e-6)
    assert attached.step == 14


@pytest.mark.parametrize(
    "penalty",
    [bridle.GroupLasso(0.3), bridle.ElasticNet(0.1, 0.2), bridle.MaxNorm(0.5), bridle.L2(0.3)],
)
def test_any_penalty_can_be_annealed(penalty):
    generator = torch.Generator().manual_seed(1)
    w = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    for factor in (0.0, 0.3, 1.0, 2.5):
        annealed = bridle.Annealed(penalty, bridle.StepSchedule({0: factor}))
        (now,) = at_step([annealed], 7)
        if penalty.constraint:
            expected = penalty.prox(w, 0.2) if factor else w
            assert now.value(0.01 * w) == 0
        else:
            expected = penalty.prox(w, 0.2 * factor)
            assert torch.allclose(now.value(w), factor * penalty.value(w))
            assert torch.allclose(now.gradient(w), factor * penalty.gradient(w))
        assert torch.allclose(now.prox(w, 0.2), expected)
        weight = nn.Parameter(w.clone())
        apply_prox(torch.optim.SGD([weight], lr=0.2), [weight], [now])
        assert torch.allclose(weight, expected)


def test_annealed_penalties_in_train_step_and_train():
    X, y = _data()
    schedule, form = FORMS["step"]
    network, other = (bridle.Network([5, 8, 2], seeds=[0, 1]) for _ in range(2))
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.1) for net in (network, other)]
    for step in range(12):
        annealed = [bridle.Annealed(bridle.L1(0.02), schedule)]
        bridle.train_step(network, (X, y), optimizer=optimizers[0], penalties=annealed)
        now = [bridle.L1(0.02 * form(step))]
        bridle.train_step(other, (X, y), optimizer=optimizers[1], penalties=now)
    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-7)
    data = bridle.Dataset(X, y)
    rising = [bridle.Annealed(bridle.L2(0.1), bridle.LinearSchedule(0.0, 1.0, steps=8))]
    trained = bridle.Network([5, 8, 2])
    history = bridle.train(trained, data, data, penalties=rising, epochs=4, batch_size=10)
    squares = sum(0.05 * w.detach().double().square().sum() for w in trained.weights)
    assert history.penalty[-1, 0] == pytest.approx(float(squares), rel=1e-6)
    still = bridle.Network([5, 8, 2])  # so that after 4 of 8 steps the half of it is left to see
    squares = sum(0.05 * w.detach().double().square().sum() for w in still.weights)
    options = {"penalties": rising, "epochs": 1, "batch_size": 10, "learning_rate": 1e-6}
    history = bridle.train(still, data, data, **options)
    assert history.penalty[0, 0] == pytest.approx(0.5 * float(squares), rel=1e-3)


def test_annealed_penalties_need_one_step_for_all():
    X, y = _data()
    network = bridle.Network([5, 8, 2], seeds=[0, 1])
    network.steps[1] = 5
    annealed = [bridle.Annealed(bridle.L1(0.02), Halving())]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    with pytest.raises(UsageError, match=r"steps \[0, 5\]"):
        bridle.train_step(network, (X, y), optimizer=optimizer, penalties=annealed)
    for act in (
        lambda: add_gradients(network.weights, annealed),
        lambda: apply_prox(optimizer, network.weights, annealed),
    ):
        with pytest.raises(UsageError, match=r"give penalty.at\(step\)"):
            act()


def test_what_cannot_be_annealed():
    with pytest.raises(UsageError, match="is not a penalty"):
        bridle.Annealed(bridle.L1, Halving())
    with pytest.raises(UsageError, match="is not a schedule"):
        bridle.Annealed(bridle.L1(0.1), 0.5)
    # of two of one class the later, whether annealed or not
    model = nn.Linear(5, 2)
    rules = {"*": bridle.Annealed(bridle.L1(0.1), Halving()), "weight": bridle.L1(0.2)}
    attached = bridle.attach(torch.optim.SGD(model.parameters(), lr=0.1), rules, model=model)
    assert str(attached) == "weight  L1(0.2)  (proximal, euclidean)"


def _annealed_run(steps, saved=None):
    """Train for some steps, from a checkpoint if there is one; return weights and a checkpoint."""
    X, y = _data()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    rules = {
        nn.ReLU: bridle.Scheduled(bridle.Dropout(drop_prob=0.5), FORMS["linear"][0]),
        "*": bridle.Annealed(bridle.L1(0.05), FORMS["cosine"][0]),
        "2.*": bridle.L2(0.01),
    }
    parts = (model, optimizer, bridle.regularize(model, rules, optimizer=optimizer))
    if saved is not None:
        for part, state in zip(parts, torch.load(saved), strict=True):
            part.load_state_dict(state)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X), y).backward()
        optimizer.step()
    file = io.BytesIO()
    torch.save([part.state_dict() for part in parts], file)
    file.seek(0)
    return [p.detach().clone() for p in model.parameters()], file


def test_a_run_with_schedules_goes_on_bit_for_bit():
    whole, _ = _annealed_run(9)
    first, file = _annealed_run(4)
    resumed, _ = _annealed_run(5, file)
    assert all(map(torch.equal, whole, resumed))
    forgetful, _ = _annealed_run(5)
    assert not all(map(torch.equal, whole, forgetful))
    assert not all(map(torch.equal, whole, first))


def test_an_attachment_alone_has_a_state():
    X, y = _data()
    rules = {"weight": bridle.Annealed(bridle.L1(0.1), Halving())}

    def build():
        torch.manual_seed(0)
        model = nn.Linear(5, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        return model, optimizer, bridle.attach(optimizer, rules, model=model)

    def steps(model, optimizer, count):
        for _ in range(count):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X), y).backward()
            optimizer.step()

    model, optimizer, attached = build()
    steps(model, optimizer, 3)
    states = [copy.deepcopy(part.state_dict()) for part in (model, optimizer, attached)]
    assert states[2] == {"step": 3}
    steps(model, optimizer, 3)
    again = build()
    for part, state in zip(again, states, strict=True):
        part.load_state_dict(state)
    steps(*again[:2], 3)
    assert torch.equal(model.weight, again[0].weight)


def test_a_constraint_holds_while_its_factor_is_not_zero():
    weight = torch.full((2, 2), 3.0)
    assert Scaled(bridle.MaxNorm(1.0), 0.0).value(weight) == 0
    assert Scaled(bridle.MaxNorm(1.0), 0.1).value(weight) == math.inf
