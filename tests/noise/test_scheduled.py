"""Noises with a schedule: alone, compiled, and in a Network."""

import pytest
import torch
from torch import nn

import bridle
from bridle.errors import UsageError
from schedule_forms import FORMS

KINDS = {
    "Dropout": bridle.Dropout,
    "SpatialDropout": bridle.SpatialDropout,
    "GaussianDropout": bridle.GaussianDropout,
    "AlphaDropout": bridle.AlphaDropout,
    "FeatureAlphaDropout": bridle.FeatureAlphaDropout,
    "DropPath": bridle.DropPath,
    "LockedDropout": lambda **p: bridle.LockedDropout(batch_first=True, **p),
    "DropConnect": bridle.DropConnect,
    "WeightDrop": bridle.WeightDrop,
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("members", [0, 2])
def test_scheduled_noise_is_the_noise_of_that_rate(name, members):
    x = torch.randn(*([members] if members else []), 6, 5, 4)
    noise = bridle.Scheduled(KINDS[name](drop_prob=0.6), FORMS["linear"][0])
    for step in (0, 5, 12):
        seed = list(range(members)) if members else 3
        address = bridle.address_of(seed, stream=1, step=step)
        now = KINDS[name](drop_prob=0.6 * FORMS["linear"][1](step))
        assert torch.equal(noise.train(x, address), now.train(x, address))
    assert noise.predict(x) is x


def test_members_of_a_population_may_stand_at_different_steps():
    x = torch.randn(2, 6, 50)
    keep = torch.tensor([0.5, 0.8], dtype=torch.float64)
    noise = bridle.Scheduled(bridle.Dropout(keep_prob=keep), bridle.LinearSchedule(0, 1, steps=4))
    address = bridle.address_of([1, 2], step=[1, 3])
    keeps = [1 - 0.5 / 4, 1 - 0.2 * 3 / 4]
    assert noise.keep_at(address).tolist() == pytest.approx(keeps)
    for member, (seed, step) in enumerate(((1, 1), (2, 3))):
        alone = bridle.Dropout(keep_prob=keeps[member])
        expected = alone.train(x[member], bridle.address_of(seed, step=step))
        assert torch.equal(noise.train(x, address)[member], expected)
    assert noise.take(torch.tensor([1])).keep_prob.tolist() == [0.8]


def test_early_and_late_dropout():
    early = bridle.early_dropout(bridle.Dropout(drop_prob=0.4), steps=10)
    constant = bridle.early_dropout(bridle.DropPath(drop_prob=0.4), steps=10, decay="constant")
    late = bridle.late_dropout(bridle.GaussianDropout(drop_prob=0.4), steps=10)

    def drops(noise):
        return [1 - noise.keep_at(bridle.address_of(0, step=step)) for step in range(13)]

    assert drops(early) == pytest.approx([0.4 * max(1 - step / 10, 0) for step in range(13)])
    assert drops(constant) == pytest.approx([0.4] * 10 + [0.0] * 3)
    assert drops(late) == pytest.approx([0.0] * 10 + [0.4] * 3)
    x = torch.randn(5, 6)
    assert early.train(x, bridle.address_of(0, step=10)) is x
    assert late.train(x, bridle.address_of(0, step=9)) is x


def test_a_compiled_schedule_is_not_compiled_again_at_every_step():
    noise = bridle.Scheduled(bridle.Dropout(drop_prob=0.5), FORMS["cosine"][0])
    layer, other = nn.Identity(), nn.Identity()
    for each in (layer, other):
        bridle.regularize(each, {nn.Identity: noise})
    graphs = []
    compiled = torch.compile(
        other, backend=lambda graph, _: graphs.append(graph) or graph, fullgraph=True
    )
    x = torch.randn(20, 30)
    for _ in range(6):
        assert torch.equal(compiled(x), layer(x))
    assert len(graphs) == 1
    torch._dynamo.reset()


@pytest.mark.parametrize(
    ("noise", "schedule", "message"),
    [
        (
            bridle.Dropout(drop_prob=0.5, scaling="classic"),
            FORMS["linear"][0],
            "scaling='inverted'",
        ),
        (bridle.Dropout(drop_prob=0.5, shared=True), FORMS["linear"][0], "not shared"),
        (bridle.Dropout(drop_prob=0.5), bridle.LinearSchedule(0, 2, steps=5), "reaches 1"),
        (bridle.ConcreteDropout(drop_prob=0.5), FORMS["linear"][0], "learns its rate"),
        (bridle.Dropout(drop_prob=0.5), lambda step: 1.0, "not a schedule"),
        (bridle.L1(0.5), FORMS["linear"][0], "cannot be scheduled"),
    ],
)
def test_noises_that_no_schedule_can_change(noise, schedule, message):
    with pytest.raises(UsageError, match=message):
        bridle.Scheduled(noise, schedule)


def test_early_and_late_need_steps():
    for make in (bridle.early_dropout, bridle.late_dropout):
        with pytest.raises(UsageError, match="steps is 0"):
            make(bridle.Dropout(drop_prob=0.5), steps=0)
    with pytest.raises(UsageError, match="decay is 'sudden'"):
        bridle.early_dropout(bridle.Dropout(drop_prob=0.5), steps=5, decay="sudden")


@pytest.mark.parametrize("kind", ["Dropout", "GaussianDropout", "DropConnect"])
def test_a_network_reads_the_schedule_at_its_own_step(kind):
    torch.manual_seed(0)
    X = torch.randn(20, 4)
    place = "weight_noise" if kind == "DropConnect" else "hidden_noise"
    schedule = bridle.StepSchedule({0: 0.0, 1: 1.0, 2: 0.5})
    noise = bridle.Scheduled(getattr(bridle, kind)(drop_prob=0.6), schedule)
    network = bridle.Network([4, 16, 2], **{place: noise})
    for step, drop in enumerate((0.0, 0.6, 0.3)):
        network.steps.fill_(step)
        fixed = bridle.Network([4, 16, 2], **{place: getattr(bridle, kind)(drop_prob=drop)})
        fixed.steps.fill_(step)
        assert torch.equal(network(X, noise=True), fixed(X, noise=True))
