"""The registered ops: registration, gradients, compilation, memory, edges."""

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.autograd import gradcheck, gradgradcheck

from bridle.errors import UsageError
from bridle.ops import (
    RESOLUTION,
    address_of,
    drop_connect,
    drop_connect_linear,
    dropout,
    soft_threshold,
)

ADDRESS = address_of([1, 2], stream=3, step=4)
ROWS = torch.arange(5)[None]
KEEP = torch.tensor([0.5, 0.8], dtype=torch.float64)
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


def _samples(dtype=torch.float32):
    x = torch.randn(2, 5, 7, dtype=dtype, requires_grad=True)
    y = torch.randn(2, 5, 7, dtype=dtype).relu()
    bias = torch.randn(2, 7, dtype=dtype, requires_grad=True)
    weight = torch.randn(2, 7, 3, dtype=dtype, requires_grad=True)
    grad = torch.randn(2, 5, 3, dtype=dtype, requires_grad=True)
    moment = torch.rand(2, 5, 7, dtype=dtype)
    mask = (ADDRESS, ROWS, KEEP, True)
    ops = torch.ops.bridle
    return {
        "dropout": (ops.dropout, (x, *mask)),
        "classic": (ops.dropout, (x, ADDRESS, ROWS, KEEP, False)),
        "rows in order": (ops.dropout, (x, ADDRESS, None, KEEP, True)),
        "shared row": (ops.dropout, (x, ADDRESS, ROWS[:, :1] + 9, KEEP[:1], True)),
        "relu_dropout": (ops.relu_dropout, (x, None, *mask)),
        "bias_relu_dropout": (ops.relu_dropout, (x, bias, *mask)),
        "one bias for all": (
            ops.relu_dropout,
            (x.detach(), bias[:1].detach().requires_grad_(), *mask),
        ),
        "relu_dropout_backward": (ops.relu_dropout_backward, (x, y, KEEP, True)),
        "drop_connect_linear": (ops.drop_connect_linear, (x, weight, *mask)),
        "drop_connect_linear_backward": (
            ops.drop_connect_linear_backward,
            (grad, x, weight, *mask),
        ),
        "soft_threshold": (ops.soft_threshold, (x, torch.rand(7, dtype=dtype))),
        "soft_threshold by one": (ops.soft_threshold, (x, torch.tensor(0.3, dtype=dtype))),
        "elastic_prox": (ops.elastic_prox, (x.detach(), None, KEEP, KEEP, 0.1, 0.0, 1.0)),
        "elastic_prox by Adam": (
            ops.elastic_prox,
            (x.detach(), moment, KEEP, KEEP, 0.1, 1e-8, 2.0),
        ),
    }


@pytest.mark.parametrize("dtype", DTYPES[:3])
@pytest.mark.parametrize("name", _samples())
def test_opcheck(name, dtype):
    op, arguments = _samples(dtype)[name]
    torch.library.opcheck(op.default, arguments)


BIAS = torch.tensor([0.1, -0.2, 0.3, 0.0], dtype=torch.float64)
FUNCTIONS = {
    "dropout": lambda x: dropout(x, ADDRESS[0], 0.6),
    "classic": lambda x: dropout(x, ADDRESS[0], 0.6, inverted=False),
    "relu": lambda x: dropout(x, ADDRESS[0], 0.6, relu=True),
    "bias": lambda x: dropout(x, ADDRESS[0], 0.6, relu=True, bias=BIAS),
    "drop_connect_linear": lambda x: drop_connect_linear(x, x.mT @ x, ADDRESS[0], 0.6),
    "members": lambda x: drop_connect_linear(x[None], x.mT[None], ADDRESS[:1], KEEP[:1]),
    "drop_connect": lambda x: drop_connect(x, ADDRESS[0], 0.6),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_by_finite_differences(name):
    # away from the kink at 0
    x = torch.tensor([[-2.0, -1.0, 0.2, 0.8], [1.5, -0.1, 3.0, -0.7]], dtype=torch.float64)
    x.requires_grad_()
    assert gradcheck(FUNCTIONS[name], (x,))
    assert gradgradcheck(FUNCTIONS[name], (x,))


def test_no_mask_is_saved_for_backward():
    saved = []
    x = torch.randn(64, 64, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        dropout(x, ADDRESS[0], 0.5)
        assert saved
        assert all(t.numel() < x.numel() and t.dtype != torch.bool for t in saved)
        saved.clear()
        out = dropout(x, ADDRESS[0], 0.5, relu=True)
        large = [t for t in saved if t.numel() >= x.numel()]
    # ReLU with dropout keeps its own output, which the next layer keeps anyway
    assert [t.data_ptr() for t in large] == [out.data_ptr()]


@pytest.mark.parametrize("relu", [False, True])
def test_compiled_without_a_break_and_with_the_same_mask(relu):
    def step(x, address):
        return (dropout(x * 2, address, 0.5, relu=relu) + 1).sum(1)

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    for seed in (0, 1):
        x, other = (torch.linspace(-1, 1, 60).view(6, 10).requires_grad_() for _ in range(2))
        eager, fast = step(x, address_of(seed)), compiled(other, address_of(seed))
        assert torch.equal(eager, fast)
        eager.sum().backward()
        fast.sum().backward()
        assert torch.equal(x.grad, other.grad)


def test_every_op_compiles_into_one_graph():
    def step(x, weight, bias, address):
        hidden = drop_connect_linear(x, weight, address, 0.5)
        hidden = dropout(hidden, address, 0.7, relu=True, bias=bias)
        return soft_threshold(drop_connect(hidden, address, 0.9), 0.1).square().sum()

    torch._dynamo.reset()
    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    arguments = [torch.linspace(-2, 2, n).view(shape) for n, shape in ((12, (3, 4)), (24, (4, 6)))]
    arguments.append(torch.linspace(-1, 1, 6))
    found = []
    for run in (step, compiled):
        inputs = [argument.clone().requires_grad_() for argument in arguments]
        loss = run(*inputs, address_of(3))
        found.append([loss, *torch.autograd.grad(loss, inputs)])
    assert all(torch.allclose(a, b, rtol=1e-6) for a, b in zip(*found, strict=True))


def test_fake_tensors():
    from torch._subclasses import FakeTensorMode

    real_address = ADDRESS[0]
    with FakeTensorMode() as mode:
        x, address = mode.from_tensor(torch.ones(4, 5)), mode.from_tensor(real_address)
        assert dropout(x, address, 0.123).shape == x.shape
        assert drop_connect_linear(x, torch.ones(5, 3), address, 0.123).shape == (4, 3)
    real = dropout(torch.ones(4, 5), ADDRESS[0], 0.123)  # nothing fake was kept
    assert type(real) is torch.Tensor


def test_addresses_and_probabilities_of_other_dtypes():
    x = torch.ones(2, 4, 5)
    rows = torch.tensor([3, 1, 4, 1])
    expected = dropout(x, ADDRESS, KEEP, rows=rows)
    ours = dropout(x, ADDRESS.int(), KEEP.float(), rows=rows.int())
    assert torch.equal(ours > 0, expected > 0)


def test_in_inference_mode_and_after_it():
    x = torch.ones(4, 5)
    with torch.inference_mode():
        inside = dropout(x, ADDRESS[0], 0.321)
    outside = dropout(x.requires_grad_(), ADDRESS[0], 0.321)
    outside.sum().backward()
    assert torch.equal(inside, outside)


@pytest.mark.parametrize("wanted", [(False, False), (True, False), (False, True), (True, True)])
def test_gradients_of_none_one_or_both(wanted):
    x, weight, bias = torch.randn(3, 4), torch.randn(4, 6), torch.randn(4)
    pairs = {
        "bias": (bias, lambda b: dropout(x, ADDRESS[0], 0.5, relu=True, bias=b)),
        "weight": (weight, lambda w: drop_connect_linear(x, w, ADDRESS[0], 0.5)),
    }
    for other, run in pairs.values():
        x.requires_grad_(wanted[0]).grad = None
        other.requires_grad_(wanted[1]).grad = None
        y = run(other)
        assert y.requires_grad == any(wanted)
        if any(wanted):
            y.sum().backward()
        assert (x.grad is not None, other.grad is not None) == wanted


def test_dropped_is_zero_whatever_it_held():
    x = torch.tensor([[float("nan"), float("inf"), -float("inf")] * 50])
    kept = dropout(torch.ones_like(x), ADDRESS[0], 0.5) > 0
    out = dropout(x, ADDRESS[0], 0.5)
    assert (out[~kept] == 0).all()
    assert not out[kept].isfinite().any()


def test_relu_backward_equals_the_unfused_one():
    x = torch.randn(40, 30, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    weights = torch.randn(40, 30)
    (dropout(x, ADDRESS[0], 0.3, relu=True) * weights).sum().backward()
    (dropout(y.relu(), ADDRESS[0], 0.3) * weights).sum().backward()
    assert torch.equal(x.grad, y.grad)


def test_keeping_everything_returns_the_input_itself():
    x = torch.randn(3, 4)
    assert dropout(x, ADDRESS[0], 1.0) is x
    assert dropout(x, ADDRESS[0], 1) is x
    assert drop_connect(x, ADDRESS[0], 1.0) is x
    assert torch.equal(dropout(x, ADDRESS[0], torch.ones(1)), x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_scaling_rounds_once(dtype):
    x = torch.rand(9, 50, dtype=torch.float64).to(dtype)
    keep = 0.3
    out = dropout(x, ADDRESS[0], keep)
    assert out.dtype == dtype
    kept = out != 0
    scale = RESOLUTION / round(keep * RESOLUTION)
    wide = torch.promote_types(dtype, torch.float32)
    assert torch.equal(out[kept], (x[kept].to(wide) * scale).to(dtype))


def test_memory_layout_does_not_matter():
    x = torch.randn(6, 8, 10)
    assert torch.equal(
        dropout(x.transpose(0, 2), ADDRESS[0], 0.5),
        dropout(x.transpose(0, 2).contiguous(), ADDRESS[0], 0.5),
    )
    strided = torch.randn(8, 20)[:, ::2]
    assert torch.equal(
        dropout(strided, ADDRESS[0], 0.5), dropout(strided.contiguous(), ADDRESS[0], 0.5)
    )
    assert torch.equal(soft_threshold(strided, 0.5), soft_threshold(strided.contiguous(), 0.5))


def test_units_of_a_row_are_one_run():
    x = torch.randn(4, 3, 5)
    assert torch.equal(
        dropout(x, ADDRESS[0], 0.5).flatten(1), dropout(x.flatten(1), ADDRESS[0], 0.5)
    )


def test_shared_row_is_one_mask_for_the_batch():
    out = dropout(torch.ones(10, 40), ADDRESS[0], 0.5, rows=torch.tensor([7]))
    assert (out == out[0]).all()
    alone = dropout(torch.ones(1, 40), ADDRESS[0], 0.5, rows=torch.tensor([7]))
    assert torch.equal(out[:1], alone)


def test_weights_are_addressed_in_their_order():
    weight = torch.ones(6, 5)
    flat = dropout(weight.reshape(1, 30), ADDRESS[0], 0.5)
    assert torch.equal(drop_connect(weight, ADDRESS[0], 0.5), flat.view(6, 5))
    both = drop_connect(torch.ones(2, 6, 5), ADDRESS, 0.5)
    assert torch.equal(both[1], drop_connect(weight, ADDRESS[1], 0.5))


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (1, 1), (2, 0, 3)])
def test_empty_and_tiny(shape):
    x = torch.ones(shape, requires_grad=True)
    out = dropout(x, ADDRESS[0], 0.5)
    out.sum().backward()
    assert out.shape == x.grad.shape == x.shape
    assert drop_connect(x.detach(), ADDRESS[0], 0.5).shape == x.shape
    assert soft_threshold(x.detach(), 0.5).shape == x.shape


def test_meta_tensors():
    x = torch.ones(4, 5, device="meta")
    assert dropout(x, ADDRESS[0], 0.5).shape == x.shape
    assert soft_threshold(x, 0.5).device.type == "meta"


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(0, 5),
    units=st.integers(0, 140),
    dtype=st.sampled_from(DTYPES[:3]),
    keep=st.one_of(st.floats(1e-9, 1), st.just(1.0), st.just(1e-12)),
    relu=st.booleans(),
    inverted=st.booleans(),
)
def test_any_shape_dtype_and_probability(rows, units, dtype, keep, relu, inverted):
    x = torch.randn(rows, units, dtype=torch.float64).to(dtype)
    out = dropout(x, ADDRESS[0], keep, relu=relu, inverted=inverted)
    assert out.shape == x.shape
    assert out.dtype == dtype
    kept = out != 0
    source = x.relu() if relu else x
    drawn = 1.0 if keep == 1 else max(1, round(keep * RESOLUTION)) / RESOLUTION
    scale = 1 / drawn if inverted else 1.0
    wide = torch.promote_types(dtype, torch.float32)
    assert torch.equal(out[kept], (source[kept].to(wide) * scale).to(dtype))


ERRORS = {
    "keep 0": (lambda x: dropout(x, ADDRESS[0], 0.0), "0.0"),
    "keep above 1": (lambda x: dropout(x, ADDRESS[0], 1.5), "1.5"),
    "keep not a number": (lambda x: dropout(x, ADDRESS[0], float("nan")), "nan"),
    "address of two": (lambda x: dropout(x, torch.zeros(2, dtype=torch.int64), 0.5), "[2]"),
    "members differ": (lambda x: dropout(x, ADDRESS, 0.5), "3 members"),
    "too many rows": (lambda x: dropout(x, ADDRESS[0], 0.5, rows=torch.arange(9)), "9"),
    "three probabilities for two": (
        lambda x: dropout(x.expand(2, 3, 4), ADDRESS, torch.full((3,), 0.5)),
        "[3]",
    ),
    "bias without ReLU": (lambda x: dropout(x, ADDRESS[0], 0.5, bias=x[0]), "relu=True"),
    "bias of another width": (
        lambda x: dropout(x, ADDRESS[0], 0.5, relu=True, bias=torch.ones(3)),
        "[3]",
    ),
    "weights do not fit": (
        lambda x: drop_connect_linear(x, torch.ones(5, 2), ADDRESS[0], 0.5),
        "[5, 2]",
    ),
    "no rows": (lambda x: dropout(x[0, 0], ADDRESS[0], 0.5), "no rows"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_the_value(case):
    call, part = ERRORS[case]
    with pytest.raises(UsageError) as caught:
        call(torch.ones(3, 4))
    assert part in str(caught.value)
