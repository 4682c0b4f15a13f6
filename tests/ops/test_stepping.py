"""The population's own step: Adam with its penalties in one pass, and the max-norm projection."""

import numpy as np
import pytest
import torch

from bridle import L1, L2, MaxNorm
from bridle.errors import UsageError
from bridle.ops import adam_step, cpu, max_norm_step
from bridle.penalties import apply_prox

COUNTS = (1, 7, 15, 16, 17, 1000, 100_003)


@pytest.fixture(params=cpu.variants())
def variant(request):
    before = cpu.variant()
    cpu.use_variant(request.param)
    yield request.param
    cpu.use_variant(before)


def start(members, *shape, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(members, *shape, generator=generator, dtype=torch.float64).to(dtype)
        for _ in range(4)
    ]


def column(*values):
    return torch.tensor(values, dtype=torch.float64)


def step(weight, gradient, m, v, *, number=1, rates=None, l1=None, l2=None, **more):
    members = len(weight)
    adam_step(
        weight,
        gradient,
        m,
        v,
        learning_rate=column(*[0.1] * members) if rates is None else rates,
        l1=torch.zeros(members) if l1 is None else l1,
        l2=torch.zeros(members) if l2 is None else l2,
        steps=torch.full((members,), number),
        **more,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_torchs_adam_and_the_proximal_step_of_each_member(variant, dtype):
    l1, l2 = column(0.0, 0.3, 0.0), column(0.0, 0.0, 0.7)
    rates = (0.1, 0.02, 0.3)
    weight, gradient, _, _ = start(3, 5, 6, dtype=dtype)
    twins = [torch.nn.Parameter(part.clone()) for part in weight]
    optimizers = [
        torch.optim.Adam([twin], lr=rate, betas=(0.8, 0.95), eps=1e-6)
        for twin, rate in zip(twins, rates, strict=True)
    ]
    m, v = torch.zeros_like(weight), torch.zeros_like(weight)
    for number in range(1, 6):
        gradient = start(3, 5, 6, dtype=dtype, seed=number)[1]
        step(
            weight,
            gradient,
            m,
            v,
            number=number,
            rates=column(*rates),
            l1=l1,
            l2=l2,
            betas=(0.8, 0.95),
            eps=1e-6,
        )
        for at, (twin, optimizer) in enumerate(zip(twins, optimizers, strict=True)):
            twin.grad = gradient[at].clone()
            optimizer.step()
            penalties = [L1(float(l1[at])), L2(float(l2[at]))]
            apply_prox(optimizer, [twin], penalties, metric="adaptive")
    expected = torch.stack([twin.detach() for twin in twins])
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(weight, expected, rtol=tolerance, atol=tolerance)
    assert torch.equal(weight[1] == 0, expected[1] == 0)
    assert bool((weight[1] == 0).any())
    assert not bool((weight[[0, 2]] == 0).any())


@pytest.mark.parametrize("count", COUNTS)
def test_every_variant_gives_the_same_numbers(count):
    found = []
    before = cpu.variant()
    try:
        for name in cpu.variants():
            cpu.use_variant(name)
            weight, gradient, m, v = start(2, count)
            v.abs_()
            average = weight.clone()
            more = {"average": average, "average_decay": column(0.9, 0.5)}
            step(weight, gradient, m, v, number=3, l1=column(0.1, 0), l2=column(0.2, 0), **more)
            found.append((weight, m, v, average))
    finally:
        cpu.use_variant(before)
    for other in found[1:]:
        for mine, its in zip(found[0], other, strict=True):
            torch.testing.assert_close(mine, its, rtol=1e-6, atol=1e-6)
    for other in found[1:-1]:  # the compiled ones, bit for bit
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_threads_do_not_change_the_result():
    found = []
    threads = torch.get_num_threads()
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            weight, gradient, m, v = start(3, 70_001)
            v.abs_()
            step(weight, gradient, m, v, l1=column(0.1, 0.2, 0.3))
            bounded = start(3, 300, 401)[0]
            max_norm_step(bounded, column(3.0, 17.0, 20.0))
            found.append((weight, m, v, bounded))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_the_average_follows_the_new_weights(variant):
    weight, gradient, m, v = start(2, 33)
    v.abs_()
    average = torch.ones(2, 33)
    more = {"average": average, "average_decay": column(0.75, 0.0)}
    step(weight, gradient, m, v, **more)
    torch.testing.assert_close(average[0], 0.75 + 0.25 * weight[0])
    torch.testing.assert_close(average[1], weight[1])


def test_a_learning_rate_of_zero_changes_no_bit(variant):
    weight, gradient, m, v = start(2, 50)
    v.abs_()
    before = weight.clone()
    step(weight, gradient, m, v, rates=column(0.0, 0.1), l1=column(1.0, 0.0), l2=column(1.0, 0.0))
    assert torch.equal(weight[0], before[0])
    assert not torch.equal(weight[1], before[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_max_norm_is_the_projection(variant, dtype):
    weight = start(4, 31, 19, dtype=dtype)[0]
    bounds = column(2.0, 5.5, 100.0, np.inf)
    expected = weight.clone()
    for at in range(3):
        expected[at] = MaxNorm(float(bounds[at])).prox(weight[at], 1.0)
    max_norm_step(weight, bounds)
    torch.testing.assert_close(weight, expected, rtol=1e-6, atol=1e-7)
    assert torch.equal(weight[2:], expected[2:])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"gradient": torch.zeros(2, 4)}, r"gradient is torch.float32 \[2, 4\] and the weight"),
        ({"v": torch.zeros(2, 3).double()}, "exp_avg_sq is torch.float64"),
        ({"m": torch.zeros(3, 2).T}, "exp_avg is not contiguous"),
        ({"weight": torch.zeros(2, 3).half()}, "weight is torch.float16; give float32"),
        ({"l1": torch.zeros(3)}, r"l1 has the shape \[3\] for 2 members"),
        ({"average": torch.zeros(2, 3)}, "only one of average and average_decay is given"),
    ],
)
def test_wrong_arguments_are_named(change, match):
    given = {"weight": None, "gradient": None, "m": None, "v": None}
    given |= {name: torch.zeros(2, 3) for name in given}
    with pytest.raises(UsageError, match=match):
        step(**given | change)


def test_wrong_bounds_are_named():
    with pytest.raises(UsageError, match=r"bound is \[0.0\]; each must be above 0"):
        max_norm_step(torch.zeros(1, 2, 2), column(0.0))
    with pytest.raises(UsageError, match=r"shape \[2, 2\]; give \[members, in, out\]"):
        max_norm_step(torch.zeros(2, 2), column(1.0, 1.0))
