"""The Triton kernels: on a GPU where there is one, else through Triton's interpreter on the CPU."""

import os

import pytest
import torch

from bridle.ops import address_of, reference

GPU = torch.cuda.is_available()
if not GPU:  # read when Triton is imported, and stays: its own functions are interpreted too
    os.environ["TRITON_INTERPRET"] = "1"
pytest.importorskip("triton")
from bridle.ops import triton as kernels  # noqa: E402

DEVICE = "cuda" if GPU else "cpu"
ADDRESS = address_of([3, -7], stream=2, step=2**40 + 1)
KEEP = torch.tensor([0.3, 0.9], dtype=torch.float64)
ROWS = [None, torch.tensor([[5, 2**33 + 1, -4]]), torch.tensor([[9]])]
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


def _equal(ours, expected):
    """Equal to the bit; the interpreter cuts bfloat16 off where a GPU rounds, so there nearly."""
    ours = ours.cpu()
    assert torch.equal(ours == 0, expected == 0)
    if ours.dtype == torch.bfloat16 and not GPU:
        assert torch.allclose(ours.float(), expected.float(), rtol=0.02)
    else:
        assert torch.equal(ours, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("units", [1, 129, 2050])
def test_dropout_is_the_definition(dtype, units):
    x = torch.randn(2, 3, units, dtype=torch.float64).to(dtype)
    bias = torch.randn(2, units, dtype=torch.float64).to(dtype)
    for rows in ROWS:
        mask = (ADDRESS, rows, KEEP, True)
        _equal(kernels.dropout(x.to(DEVICE), *mask), reference.dropout(x, *mask))
    for added in (None, bias, bias[:1]):
        ours = kernels.relu_dropout(
            x.to(DEVICE), added if added is None else added.to(DEVICE), *mask
        )
        _equal(ours, reference.relu_dropout(x, added, *mask))
    ours = kernels.relu_dropout_backward(x.to(DEVICE), x.flip(2).to(DEVICE), KEEP, False)
    _equal(ours, reference.relu_dropout_backward(x, x.flip(2), KEEP, False))


def test_strides_special_values_and_nothing():
    x = torch.tensor([float("nan"), float("inf"), -0.0, 1.0] * 40).repeat(6, 1).view(2, 3, -1)
    x = x[:, :, 3:151].transpose(0, 1)[:2]
    mask = (ADDRESS, None, KEEP[:1], True)
    for name in ("dropout", "relu_dropout"):
        arguments = (x,) if name == "dropout" else (x, None)
        ours = getattr(kernels, name)(*(a if a is None else a.to(DEVICE) for a in arguments), *mask)
        expected = getattr(reference, name)(*arguments, *mask)
        assert torch.allclose(ours.cpu(), expected, rtol=0, atol=0, equal_nan=True)
    for shape in ((2, 0, 5), (2, 3, 0)):
        assert kernels.dropout(torch.ones(shape, device=DEVICE), *mask).shape == shape


@pytest.mark.parametrize("dtype", DTYPES[:2])
@pytest.mark.parametrize("by_adam", [False, True])
def test_elastic_prox(dtype, by_adam):
    w = torch.randn(2, 30, 50, dtype=dtype)
    moment = w.square().flip(0) if by_adam else None
    on_device = moment if moment is None else moment.to(DEVICE)
    numbers = (KEEP, KEEP, 0.5, 1e-8, 1.5)
    ours = kernels.elastic_prox(w.to(DEVICE), on_device, *numbers).cpu()
    expected = reference.elastic_prox(w, moment, *numbers)
    assert torch.allclose(ours, expected, rtol=1e-5, atol=1e-6)
    assert (ours == 0).any()


@pytest.mark.parametrize("inverted", [True, False])
def test_keep_probabilities_are_rounded_as_the_definition_rounds(inverted):
    # halves go to the even one, and one of 65536 is the least
    keep = torch.tensor([1e-9, 0.5, 1.5, 2.5, 3.5, 32767.5, 65535.5, 65536.0]) / 65536
    address = address_of(range(len(keep)), stream=0, step=0)
    mask = (address, None, keep.double(), inverted)
    x = torch.randn(len(keep), 40, 1000)
    _equal(kernels.dropout(x.to(DEVICE), *mask), reference.dropout(x, *mask))


@pytest.mark.parametrize("dtype", DTYPES[:2])
@pytest.mark.parametrize("averaged", [False, True])
def test_adam_step(dtype, averaged):
    tensors = [torch.randn(3, 30, 50, dtype=dtype) for _ in range(5)]
    tensors[3].square_()
    rate, l1, l2 = [0.1, 0.02, 0.3], [0.0, 30.0, 0.5], [0.0, 0.0, 0.7]
    fixed = [[0.9] * 3, [0.99] * 3, [1e-8] * 3, [5.0] * 3, [50.0] * 3]
    strengths = torch.tensor([rate, *fixed, l1, l2, [0.0, 0.5, 0.9]], dtype=torch.float64).T
    found = [each.to(DEVICE) for each in tensors]
    for run, own in ((reference, tensors), (kernels, found)):
        w, gradient, moment, square, average = own
        run.adam_step(w, gradient, moment, square, average if averaged else None, strengths)
    for one, other in zip(found, tensors, strict=True):
        torch.testing.assert_close(one.cpu(), other, rtol=1e-5, atol=1e-6)
    assert ((tensors[0] == 0) == (found[0].cpu() == 0)).all()
    assert (found[0][1] == 0).any()


@pytest.mark.parametrize("dtype", DTYPES[:2])
def test_max_norm_step(dtype):
    w = torch.randn(3, 70, 41, dtype=dtype)
    w[:, :, 3] = 0
    found, bound = w.to(DEVICE), torch.tensor([3.0, torch.inf, 8.5], dtype=torch.float64)
    kernels.max_norm_step(found, bound)
    reference.max_norm_step(w, bound)
    torch.testing.assert_close(found.cpu(), w)


@pytest.mark.parametrize("rows", ROWS)
def test_one_mask_per_example(rows):
    x, weight, grad = torch.randn(2, 3, 20), torch.randn(2, 20, 70), torch.randn(2, 3, 70)
    mask = (ADDRESS, rows, KEEP, True)
    on_device = [part.to(DEVICE) for part in (grad, x, weight)]
    ours = kernels.drop_connect_linear(*on_device[1:], *mask).cpu()
    expected = reference.drop_connect_linear(x, weight, *mask)
    assert torch.allclose(ours, expected, rtol=1e-4, atol=1e-4)
    ours = kernels.drop_connect_linear_backward(*on_device, *mask)
    expected = reference.drop_connect_linear_backward(grad, x, weight, *mask)
    for one, other in zip(ours, expected, strict=True):
        assert torch.allclose(one.cpu(), other, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not GPU, reason="needs a GPU")
def test_the_public_ops_use_them_on_a_gpu():
    from bridle.ops import dropout

    x = torch.randn(40, 300, device="cuda", requires_grad=True)
    y = dropout(x, ADDRESS[0], 0.5, relu=True)
    assert torch.equal(y.cpu(), dropout(x.detach().cpu(), ADDRESS[0], 0.5, relu=True))
    y.sum().backward()
    assert torch.equal(x.grad > 0, y > 0)
