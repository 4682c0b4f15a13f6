"""Concrete dropout in a module: its rates are parameters of the optimizer."""

import copy
import json

import pytest
import torch
from regularize_helpers import HALF, adam, steps
from torch import nn

import bridle
from bridle.errors import UsageError
from bridle.modules.noise_hooks import noises_of


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


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
    with pytest.raises(UsageError, match="create the scheduler after"):
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


def test_processes_learn_one_rate(two_processes):
    two_processes(RANKS)
