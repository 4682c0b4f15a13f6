"""Which groups a target sparsity holds between its choices, and which it never sets to zero."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import bridle
from bridle import L1, MLPClassifier, Sparsity, UsageError

X, Y = torch.randn(64, 20, generator=torch.Generator().manual_seed(1)), torch.arange(64) % 3


def _net():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 3))
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def _train(model, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(X), Y).backward()
        optimizer.step()


def test_weights_that_begin_at_zero_move_before_the_first_choice():
    model, optimizer = _net()
    nn.init.zeros_(model[2].weight)
    rule = Sparsity(0.5, ramp=20, every=10)
    target = bridle.attach(optimizer, {"2.weight": rule}, model=model).sparsity[0]
    _train(model, optimizer, 5)
    assert target.reached < 0.2
    _train(model, optimizer, 35)
    assert target.reached == pytest.approx(0.5, abs=0.5 / 90 + 1e-9)


def test_between_choices_only_the_chosen_stay_zero():
    model, optimizer = _net()
    rule = Sparsity(0.5, ramp=20, every=10)
    target = bridle.attach(optimizer, {"2.weight": rule}, model=model).sparsity[0]
    _train(model, optimizer, 10)
    chosen = model[2].weight.detach() == 0
    nn.init.zeros_(model[2].weight)
    _train(model, optimizer, 3)
    now = model[2].weight.detach() == 0
    assert now[chosen].all()
    assert target.reached < float(chosen.double().mean()) + 0.3


def test_a_checkpoint_amid_choices_goes_on_as_without_one():
    model, optimizer = _net()
    rules = {"0.weight": [L1(1e-4), Sparsity(0.5, ramp=20, every=10)]}
    attached = bridle.attach(optimizer, rules, model=model)
    _train(model, optimizer, 13)
    state, step = {k: v.clone() for k, v in model.state_dict().items()}, attached.state_dict()
    _train(model, optimizer, 17)
    other, again = _net()
    other.load_state_dict(state)
    bridle.attach(again, rules, model=other).load_state_dict(step)
    _train(other, again, 17)
    assert torch.equal(model[0].weight == 0, other[0].weight == 0)


def test_one_of_the_tensors_stays_where_each_is_a_group():
    model, optimizer = _net()
    rule = Sparsity(0.999, ramp=5, groups="whole")
    bridle.attach(optimizer, {"*": rule}, model=model)
    _train(model, optimizer, 8)
    assert [bool(model[at].weight.any()) for at in (0, 2)].count(True) == 1


def test_the_weight_of_one_unit_stays():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 1))
    nn.init.constant_(model[2].weight, 1e-4)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    bridle.attach(optimizer, {"*": Sparsity(0.5, ramp=2, groups="units")}, model=model)
    for _ in range(3):
        model(X).square().mean().backward()
        optimizer.step()
    assert model[2].weight.all()
    assert (model[0].weight == 0).any()


@pytest.mark.parametrize(
    ("selector", "rule"),
    [
        ("*", Sparsity(0.8, ramp=10, groups="whole", global_=False)),
        ("0.weight", Sparsity(0.3, ramp=10, groups="whole")),
    ],
)
def test_a_choice_among_single_groups_is_refused(selector, rule):
    model, optimizer = _net()
    with pytest.raises(UsageError, match="one group stays"):
        bridle.attach(optimizer, {selector: rule}, model=model)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_layer_of_the_classifier_stays():
    rule = Sparsity(0.5, ramp=20, groups="whole")
    model = MLPClassifier((8,), sparsity=rule, max_iter=30, random_state=0)
    model.fit(X.numpy(), Y.numpy())
    assert any(w.any() for w in model.coefs_)


@pytest.mark.parametrize("target", ["0.5", None, True, float("nan")])
def test_a_target_that_is_no_share_is_refused(target):
    with pytest.raises(UsageError, match="it must be a share of zeros"):
        Sparsity(target, ramp=5)
