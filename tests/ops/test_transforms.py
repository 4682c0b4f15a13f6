"""The ops under transforms: derivatives of all orders, and which masks a batch of vmap has."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functionalize, jvp, linearize, vjp, vmap

from bridle.errors import UsageError
from bridle.ops import (
    address_of,
    drop_connect,
    drop_connect_linear,
    dropout,
    gaussian_dropout,
    soft_threshold,
    uniform_like,
)

ADDRESS = address_of(1, stream=2, step=3)
BIAS = torch.linspace(-1, 1, 6, dtype=torch.float64)
OPS = {
    "dropout": lambda x: dropout(x, ADDRESS, 0.6),
    "classic": lambda x: dropout(x, ADDRESS, 0.6, inverted=False),
    "shared": lambda x: dropout(x, ADDRESS, 0.6, rows=torch.tensor([7])),
    "relu": lambda x: dropout(x, ADDRESS, 0.6, relu=True, bias=BIAS.to(x.dtype)),
    "gaussian": lambda x: gaussian_dropout(x, ADDRESS, 0.6),
    "uniform": lambda x: x * uniform_like(x, ADDRESS).to(x.dtype),
    "drop_connect": lambda x: drop_connect(x, ADDRESS, 0.6),
    "drop_connect_linear": lambda x: drop_connect_linear(x, x.mT @ x, ADDRESS, 0.6),
    "population": lambda x: dropout(x[:, None], address_of([1, 2, 3, 4]), 0.6)[:, 0],
    "soft_threshold": lambda x: soft_threshold(x, torch.tensor(0.3)),
}

pytestmark = [  # of torch itself, where it loads its decompositions and folds constants
    pytest.mark.filterwarnings("ignore:`torch.jit.script.* is deprecated"),
    pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr Node:UserWarning"),
]


def _x(*shape, dtype=torch.float32):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", OPS)
def test_derivatives_of_both_modes(name):
    x = _x(4, 6, dtype=torch.float64).requires_grad_()
    batched = {"check_batched_grad": True}
    assert gradcheck(
        OPS[name], (x,), check_forward_ad=True, check_batched_forward_grad=True, **batched
    )
    assert gradgradcheck(OPS[name], (x,), check_fwd_over_rev=True, **batched)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", OPS)
def test_the_bits_are_those_of_the_kernels(name, dtype):
    op = OPS[name]
    x = _x(4, 6, dtype=torch.float64).to(dtype)
    if "linear" not in name:  # a sum of products, in another order
        x[0, 0], x[1, 1] = torch.inf, torch.nan
    expected = op(x)
    found = [vjp(op, x)[0], jvp(op, (x,), (x,))[0], linearize(op, x)[0], functionalize(op)(x)]
    found += vmap(op, randomness="same")(x.expand(3, 4, 6))
    for y in found:
        tolerance = {} if "linear" in name else {"rtol": 0, "atol": 0}
        torch.testing.assert_close(y, expected, equal_nan=True, **tolerance)


def test_an_element_has_the_rows_of_the_whole_batch():
    x = _x(12, 7)
    each = vmap(lambda x: dropout(x[None], ADDRESS, 0.5)[0], randomness="different")
    assert torch.equal(each(x), dropout(x, ADDRESS, 0.5))
    assert torch.equal(
        vmap(each, randomness="different")(x.view(3, 4, 7)).view(12, 7), dropout(x, ADDRESS, 0.5)
    )
    same_outside = vmap(each, randomness="same")(x.view(3, 4, 7))
    assert torch.equal(same_outside, torch.stack([dropout(p, ADDRESS, 0.5) for p in x.split(4)]))


def test_elements_of_several_rows_and_members():
    x, addresses = _x(3, 2, 4, 7), address_of([1, 2])
    keep = torch.tensor([0.5, 0.7], dtype=torch.float64)
    y = vmap(lambda x: dropout(x, addresses, keep), randomness="different")(x)
    for b in range(3):
        rows = torch.arange(4) * 3 + b
        assert torch.equal(y[b], dropout(x[b], addresses, keep, rows=rows))


@pytest.mark.parametrize("op", [dropout, gaussian_dropout])
def test_batched_addresses_rows_and_probabilities(op):
    x = _x(3, 2, 7)
    addresses = torch.stack([address_of(seed) for seed in range(3)])
    rows = torch.tensor([[5, 6], [1, 2], [9, 3]])
    keeps = torch.tensor([[0.2], [0.5], [0.9]], dtype=torch.float64)
    # the address decides, so there is nothing to choose
    y = vmap(lambda x, address: op(x, address, 0.5))(x, addresses)
    assert torch.equal(y, torch.stack([op(*pair, 0.5) for pair in zip(x, addresses, strict=True)]))
    y = vmap(lambda x, rows: op(x, ADDRESS, 0.5, rows=rows))(x, rows)
    expected = [op(part, ADDRESS, 0.5, rows=row) for part, row in zip(x, rows, strict=True)]
    assert torch.equal(y, torch.stack(expected))
    y = vmap(lambda x, keep: op(x, ADDRESS, keep), randomness="same")(x, keeps)
    expected = [op(part, ADDRESS, keep) for part, keep in zip(x, keeps, strict=True)]
    assert torch.equal(y, torch.stack(expected))
    moved = vmap(lambda x, address: op(x, address, 0.5), in_dims=(2, 1), out_dims=1)
    y = moved(x.movedim(0, 2), addresses.T)
    assert torch.equal(
        y.movedim(1, 0),
        torch.stack([op(*pair, 0.5) for pair in zip(x, addresses, strict=True)]),
    )


@pytest.mark.parametrize("op", ["dropout", "gaussian", "uniform", "drop_connect_linear"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "randomness='different'"),
        ({"randomness": "same", "chunk_size": 2}, "leave chunk_size out"),
        ({"randomness": "different", "chunk_size": 2}, "leave chunk_size out"),
    ],
)
def test_what_is_refused(op, options, message):
    with pytest.raises(UsageError, match=message):
        vmap(OPS[op], **options)(_x(5, 4, 6))


def test_compiled_vmap_falls_back_to_eager():
    torch._dynamo.reset()
    x = _x(3, 4, 6)
    for randomness in ("same", "different"):
        each = vmap(OPS["dropout"], randomness=randomness)
        assert torch.equal(torch.compile(each)(x), each(x))
    with pytest.raises(UsageError, match="randomness='different'"):
        torch.compile(vmap(OPS["dropout"]))(x)


def test_jacobians_of_torch_autograd():
    x, expected = _x(2, 5), torch.autograd.functional.jacobian(OPS["gaussian"], _x(2, 5))
    for strategy in ("forward-mode", "reverse-mode"):
        found = torch.autograd.functional.jacobian(
            OPS["gaussian"], x, vectorize=True, strategy=strategy
        )
        torch.testing.assert_close(found, expected)
