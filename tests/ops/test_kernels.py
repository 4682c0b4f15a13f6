"""The compiled CPU kernels: every variant gives the bits of the definition, wherever it runs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import reference as by_hand
from bridle.ops import address_of, cpu, drop_connect_linear, dropout, reference
from bridle.ops.cpu_variants import native
from bridle.ops.masks import GROUP, GROUP_BLOCKS, LANES, keep_mask, mask_key, philox4x32

COMPILED = [name for name in cpu.variants() if name != "torch"]
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
ADDRESS = address_of([3, -7], stream=2, step=2**40 + 1)
KEEP = torch.tensor([0.3, 0.9], dtype=torch.float64)

needs_kernels = pytest.mark.skipif(not COMPILED, reason="installed without compiled kernels")
pytestmark = needs_kernels


@pytest.fixture(params=COMPILED)
def variant(request):
    """Each variant that this processor runs, forced."""
    before = cpu.variant()
    cpu.use_variant(request.param)
    yield request.param
    cpu.use_variant(before)


@pytest.fixture(params=[1, 2, 5])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


# ------------------------------------------------------------------ the same bits


WIDTHS = [1, 2, 7, 15, 16, 17, 100, 127, 128, 129, 255, 1000, 16384, 16385]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("units", WIDTHS)
def test_dropout_is_the_definition_bit_for_bit(variant, units, dtype):
    x = torch.randn(2, 3, units, dtype=torch.float64).to(dtype)
    bias = torch.randn(2, units, dtype=torch.float64).to(dtype)
    rows = torch.tensor([[5, 2**33 + 1, -4]])
    for given_rows in (None, rows, rows[:, :1]):
        for inverted in (True, False):
            mask = (ADDRESS, given_rows, KEEP, inverted)
            assert torch.equal(cpu.dropout(x, *mask), reference.dropout(x, *mask))
            for added in (None, bias, bias[:1]):
                ours = cpu.relu_dropout(x, added, *mask)
                assert torch.equal(ours, reference.relu_dropout(x, added, *mask))


@pytest.mark.parametrize("dtype", DTYPES)
def test_relu_backward_is_the_definition_bit_for_bit(variant, dtype):
    for units in (1, 16, 33, 40000):
        grad, y = (torch.randn(2, 2, units, dtype=torch.float64).to(dtype) for _ in range(2))
        arguments = (grad, y, KEEP, True)
        ours = cpu.relu_dropout_backward(*arguments)
        assert torch.equal(ours, reference.relu_dropout_backward(*arguments))


@pytest.mark.parametrize("dtype", DTYPES)
def test_blocks_are_the_definition(variant, threads, dtype):
    weight, factors = torch.randn(4, 300, 170).to(dtype), torch.randn(4, 213).to(dtype)
    lines, columns = torch.randint(170, (4, 213)), torch.randint(170, (4, 99))
    for source in (weight, weight[1], weight.transpose(1, 2)[:, :170, :170]):
        names = [source if source.ndim == 2 else source[name] for name in range(4)]
        blocks = [
            each[lines[name]][:, columns[name]] * factors[name][:, None]
            for name, each in enumerate(names)
        ]
        for take in (cpu.take_blocks, reference.take_blocks):
            out = torch.empty(4, 213, 99, dtype=dtype)
            assert torch.equal(take(source, lines, columns, factors, out), torch.stack(blocks))


def test_masks_are_the_reference_by_hand(variant):
    """An independent NumPy reference, written from the definition and not from this package."""
    x = torch.ones(1, 4, 300)
    kept = cpu.dropout(x, ADDRESS[:1], None, KEEP[:1], False)[0].bool().numpy()
    assert np.array_equal(kept, by_hand.mask(3, 2, 2**40 + 1, range(4), 300, 0.3))


@pytest.mark.parametrize("group", [0, 2**28 - 1, 2**28, 2**31 // GROUP + 3, 2**33 + 5])
def test_groups_past_two_to_the_thirty_two(variant, group):
    """A tensor of more than 2³¹ elements is not built here, but its units have their addresses."""
    seed, stream, step, row = 11, 3, 2**35, 2**34 + 2
    ours = native.keep_bits(seed, stream, step, row, group, 2, 20000)
    key = mask_key(seed, stream, step)
    expected = []
    for at in (group, group + 1):
        blocks = [at * GROUP_BLOCKS + index for index in range(GROUP_BLOCKS)]
        words = [
            philox4x32((b & 0xFFFFFFFF, b >> 32, row & 0xFFFFFFFF, row >> 32), key) for b in blocks
        ]
        for lane in range(LANES):
            for word in words:
                bits = word[lane // 2] >> 16 * (lane % 2) & 0xFFFF
                expected.append(bits < 20000)
    assert ours == expected


def test_any_number_of_threads(variant, threads):
    x = torch.randn(1, 70, 1500)
    mask = (ADDRESS[:1], None, KEEP[:1], True)
    assert torch.equal(cpu.dropout(x, *mask), reference.dropout(x, *mask))
    wide = torch.randn(1, 1, 200_000)
    assert torch.equal(cpu.dropout(wide, *mask), reference.dropout(wide, *mask))


@pytest.mark.parametrize("units", [1, 63, 64, 65, 1000])
@pytest.mark.parametrize("threads", [1, 3])
def test_numbers_are_the_definition_bit_for_bit(variant, units, threads):
    """Drawn by kernels of every variant: rows of all kinds, and populations."""
    x = torch.randn(3, 40, units)
    address = address_of([-7, 8, 2**40], stream=3, step=[1, 2**35, 5])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for rows in (None, torch.arange(40)[None] * 2**33, torch.arange(120).view(3, 40)):
            keep = torch.tensor([0.3, 0.5, 1.0], dtype=torch.float64)
            expected = reference.gaussian_dropout(x, address, rows, keep)
            assert torch.equal(cpu.gaussian_dropout(x, address, rows, keep), expected)
            expected = reference.uniform_like(x, address, rows)
            assert torch.equal(cpu.uniform_like(x, address, rows), expected)
        shared = cpu.uniform_like(x, address, torch.tensor([[5]]))
        assert (shared == shared[:, :1]).all()
    finally:
        torch.set_num_threads(before)


def test_any_split_of_the_batch(variant):
    x = torch.randn(10, 77)
    whole = dropout(x, ADDRESS[0], 0.4)
    rows = torch.arange(10)
    for parts in ([3, 7], [1] * 10, [9, 1]):
        split = zip(x.split(parts), rows.split(parts), strict=True)
        assert torch.equal(
            torch.cat([dropout(part, ADDRESS[0], 0.4, rows=index) for part, index in split]), whole
        )


@settings(max_examples=80, deadline=None)
@given(
    members=st.integers(1, 3),
    rows=st.integers(0, 4),
    units=st.integers(0, 400),
    dtype=st.sampled_from(DTYPES),
    keep=st.floats(1e-9, 1),
    seed=st.integers(-(2**63), 2**63 - 1),
    step=st.integers(0, 2**63 - 1),
    name=st.sampled_from(COMPILED or ["torch"]),
)
def test_any_address_shape_and_probability(members, rows, units, dtype, keep, seed, step, name):
    address = address_of([seed] * members, stream=members, step=step)
    x = torch.randn(members, rows, units, dtype=torch.float64).to(dtype)
    mask = (address, None, torch.tensor([keep], dtype=torch.float64), True)
    before = cpu.variant()
    cpu.use_variant(name)
    try:
        assert torch.equal(cpu.dropout(x, *mask), reference.dropout(x, *mask))
    finally:
        cpu.use_variant(before)


# ------------------------------------------------------------------ layouts and special values


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_layout(variant, dtype):
    base = torch.randn(6, 8, 40, dtype=torch.float64).to(dtype)
    layouts = [
        base.transpose(0, 2),
        base[:, ::2],
        base[..., ::3],
        base[:, 1:, 5:-3],
        base[:1].expand(4, 8, 40),
        base[:, :1].expand(6, 9, 40),
        base[..., :1].expand(6, 8, 33),
        base.flip(1),
    ]
    for x in layouts:
        address = address_of(list(range(x.shape[0])))
        mask = (address, None, KEEP[:1], True)
        assert torch.equal(cpu.dropout(x, *mask), reference.dropout(x.contiguous(), *mask))
        assert torch.equal(
            cpu.relu_dropout_backward(x, x, KEEP[:1], True),
            reference.relu_dropout_backward(x, x, KEEP[:1], True),
        )
        assert cpu.dropout(x, *mask).is_contiguous()


@pytest.mark.parametrize("dtype", DTYPES)
def test_special_values(variant, dtype):
    special = [float("nan"), float("inf"), -float("inf"), 0.0, -0.0, torch.finfo(dtype).max]
    special += [torch.finfo(dtype).tiny, torch.finfo(dtype).smallest_normal / 2]
    x = torch.tensor(special * 9, dtype=dtype).view(1, 1, -1)
    mask = (ADDRESS[:1], None, KEEP[1:], True)
    for ours, expected in (
        (cpu.dropout(x, *mask), reference.dropout(x, *mask)),
        (cpu.relu_dropout(x, None, *mask), reference.relu_dropout(x, None, *mask)),
        (
            cpu.relu_dropout_backward(x, x.flip(2), KEEP[:1], True),
            reference.relu_dropout_backward(x, x.flip(2), KEEP[:1], True),
        ),
        (
            cpu.soft_threshold(x, torch.tensor(0.5)),
            reference.soft_threshold(x, torch.tensor(0.5)),
        ),
    ):
        assert torch.allclose(ours, expected, rtol=0, atol=0, equal_nan=True)


def test_half_precision_rounds_like_torch(variant):
    """Every number of sixteen bits, and every rounding of a product."""
    for dtype in (torch.bfloat16, torch.float16):
        every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype)
        x = every.view(1, 1, -1)
        mask = (ADDRESS[:1], None, torch.tensor([0.77], dtype=torch.float64), True)
        assert torch.allclose(
            cpu.dropout(x, *mask), reference.dropout(x, *mask), rtol=0, atol=0, equal_nan=True
        )


# ------------------------------------------------------------------ one weight mask per example


@pytest.mark.parametrize("dtype", DTYPES[:2])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (4, 40, 300), (2, 300, 33), (2, 3, 9000)])
def test_one_mask_per_example(variant, threads, shape, dtype):
    rows, inputs, outputs = shape
    x = torch.randn(2, rows, inputs, dtype=dtype)
    weight = torch.randn(2, inputs, outputs, dtype=dtype)
    grad = torch.randn(2, rows, outputs, dtype=dtype)
    for index in (None, torch.arange(7, 7 + rows)[None], torch.tensor([[9]])):
        mask = (ADDRESS, index, KEEP, True)
        tolerance = {"rtol": 1e-4, "atol": 1e-3} if dtype == torch.float32 else {}
        ours = cpu.drop_connect_linear(x, weight, *mask)
        assert torch.allclose(ours, reference.drop_connect_linear(x, weight, *mask), **tolerance)
        ours = cpu.drop_connect_linear_backward(grad, x, weight, *mask)
        expected = reference.drop_connect_linear_backward(grad, x, weight, *mask)
        for one, other in zip(ours, expected, strict=True):
            assert torch.allclose(one, other, **tolerance)


def test_each_example_has_the_mask_of_its_row(variant):
    """Ones in, one output at a time: the product is the mask itself."""
    weight = torch.ones(30, 20)
    y = drop_connect_linear(torch.eye(30), weight, ADDRESS[0], 0.5, rows=torch.tensor([4]))
    kept = keep_mask(ADDRESS[:1], torch.tensor([[4]]), 600, torch.tensor([32768]))
    assert torch.equal(y, 2.0 * kept.view(30, 20))


def test_dropped_weights_do_not_matter(variant):
    """A dropped weight may be anything: nothing of it reaches the output or the gradients."""
    kept = drop_connect_linear(
        torch.eye(8), torch.ones(8, 8), ADDRESS[0], 0.5, rows=torch.tensor([0])
    )
    weight = torch.where(kept > 0, 1.0, float("nan")).requires_grad_()
    x = torch.randn(1, 8, requires_grad=True)
    y = drop_connect_linear(x, weight, ADDRESS[0], 0.5)
    y.sum().backward()
    assert y.isfinite().all()
    assert x.grad.isfinite().all()
    assert torch.equal(weight.grad == 0, kept == 0)
