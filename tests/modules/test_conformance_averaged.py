"""Averages of weights over training: exact zeros are kept, or their loss is warned of."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import bridle
from bridle.errors import RegularizationWarning, UsageError


def feature(name, *values):
    return pytest.param(*values, id=f"averaged-weights{name}-penalty")


def train(averaged_by, passes=60):
    """Train a network with many zeros; return it, its average, and its weights at each update."""
    torch.manual_seed(0)
    X, y = torch.randn(64, 20), torch.randint(3, (64,))
    model = nn.Sequential(nn.Linear(20, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    bridle.attach(optimizer, {"*": bridle.L1(0.05)}, model=model, metric="adaptive")
    averaged, history = averaged_by(model), []
    for step in range(passes):
        batch = torch.randperm(64)[:16]
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X[batch]), y[batch]).backward()
        optimizer.step()
        if step >= passes - 20:
            averaged.update_parameters(model)
            history.append(copy.deepcopy([value.detach() for value in model.parameters()]))
    return model, averaged, history


def by_hand(history, decay):
    """The average of one entry after another, from its last return to the support on."""
    found = [value.double() for value in history[0]]
    for count, weights in enumerate(history[1:], 1):
        for mean, newest in zip(found, weights, strict=True):
            share = 1 / (count + 1) if decay is None else 1 - decay
            for at in range(mean.numel()):
                w, m = float(newest.flatten()[at]), float(mean.view(-1)[at])
                mean.view(-1)[at] = w if w == 0 or m == 0 else m + (w - m) * share
    return found


@pytest.mark.parametrize("decay", [feature("", None), feature("-ema", 0.9)])
@pytest.mark.parametrize("buffers", [False, True])
def test_zeros_of_the_newest_weights_are_kept(decay, buffers):
    average = bridle.SupportAverage(decay)
    model, averaged, history = train(
        lambda model: AveragedModel(model, avg_fn=average, use_buffers=buffers)
    )
    for mine, newest, wanted in zip(
        averaged.module.parameters(), model.parameters(), by_hand(history, decay), strict=True
    ):
        assert not mine[newest == 0].any()
        torch.testing.assert_close(mine.double(), wanted, rtol=1e-4, atol=1e-6)
    assert (averaged.module[0].weight == 0).float().mean() > 0.2
    assert averaged.module[1].num_batches_tracked.dtype == torch.int64


@pytest.mark.parametrize(
    "options", [feature("-warned", {}), feature("-ema-warned", {"multi_avg_fn": True})]
)
def test_compaction_warns_of_lost_zeros(options):
    if options:
        options = {"multi_avg_fn": get_ema_multi_avg_fn(0.9)}
    model, averaged, _ = train(lambda model: AveragedModel(model, **options))
    zeros = [(each[0].weight == 0).sum() for each in (averaged.module, model)]
    assert zeros[0] < zeros[1]
    with pytest.warns(RegularizationWarning, match=r"avg_fn=bridle.SupportAverage\(\)") as warned:
        bridle.compact(averaged, torch.zeros(2, 20))
    assert warned[0].filename == __file__


@pytest.mark.parametrize("decay", [feature("-compaction", 0.9)])
def test_compaction_of_a_kept_support(decay):
    _, averaged, _ = train(lambda model: AveragedModel(model, avg_fn=bridle.SupportAverage(decay)))
    X = torch.randn(5, 20)
    compacted = bridle.compact(averaged, X)
    torch.testing.assert_close(compacted.model.eval()(X), averaged.eval()(X))


@pytest.mark.parametrize("decay", [feature("-refused", 1.0), feature("-negative-refused", -0.1)])
def test_decay_out_of_range(decay):
    with pytest.raises(UsageError, match="from 0 to below 1"):
        bridle.SupportAverage(decay)


@pytest.mark.parametrize(
    "dtype", [feature("-bfloat16", torch.bfloat16), feature("-float16", torch.float16)]
)
@pytest.mark.parametrize("decay", [0.999, None])
def test_an_average_of_half_precision_is_kept_in_single(dtype, decay):
    average = bridle.SupportAverage(decay)
    model = nn.Linear(3, 1, bias=False).to(dtype)
    nn.init.ones_(model.weight)
    coarse = AveragedModel(model, avg_fn=average)
    averaged = AveragedModel(model, avg_fn=average).float()
    coarse.update_parameters(model)
    averaged.update_parameters(model)
    nn.init.constant_(model.weight, 2)
    with torch.no_grad():
        model.weight[0, 0] = 0
    for _ in range(1000):
        averaged.update_parameters(model)
    with pytest.raises(UsageError, match=f"kept in {str(dtype)[6:]}, .*stands still: .*float32"):
        coarse.update_parameters(model)
    wanted = 2 - 1 / 1001 if decay is None else 2 - decay**1000
    assert averaged.module.weight.dtype == torch.float32
    torch.testing.assert_close(averaged.module.weight[0], torch.tensor([0, wanted, wanted]))


def test_a_buffer_that_would_stand_still_is_named():
    model = nn.Linear(2, 1)
    model.register_buffer("angles", torch.zeros(3, dtype=torch.bfloat16))
    average = AveragedModel(model, avg_fn=bridle.SupportAverage(), use_buffers=True)
    average.update_parameters(model)
    with pytest.raises(UsageError, match="with use_buffers=True, of a buffer is kept in bfloat16"):
        average.update_parameters(model)
    average = AveragedModel(model, avg_fn=bridle.SupportAverage(), use_buffers=True).float()
    for _ in range(3):
        average.update_parameters(model)
