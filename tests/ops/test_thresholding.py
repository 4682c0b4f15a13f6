"""The proximal ops: their formulas, gradients and compiled kernels."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from bridle.errors import UsageError
from bridle.ops import cpu, elastic_prox, reference, soft_threshold

COMPILED = [name for name in cpu.variants() if name != "torch"]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]

needs_kernels = pytest.mark.skipif(not COMPILED, reason="installed without compiled kernels")


@pytest.fixture(params=COMPILED)
def variant(request):
    """Each variant that this processor runs, forced."""
    before = cpu.variant()
    cpu.use_variant(request.param)
    yield request.param
    cpu.use_variant(before)


@pytest.mark.parametrize("dtype", DTYPES)
def test_soft_threshold_formula(dtype):
    w = torch.linspace(-2, 2, 41, dtype=torch.float64).to(dtype)
    out = soft_threshold(w, 0.5)
    expected = w.double().sign() * (w.double().abs() - 0.5).clamp(min=0)
    assert out.dtype == dtype
    assert torch.allclose(out.double(), expected, atol=0.01 if dtype.itemsize == 2 else 1e-7)
    assert (out[w.abs() <= 0.5] == 0).all()


def test_gradients_of_the_soft_threshold():
    # away from the kinks at ± 0.4
    w = torch.tensor([[-2.0, -1.0, 0.2, 0.8], [1.5, -0.1, 3.0, -0.7]], dtype=torch.float64)
    w.requires_grad_()
    assert gradcheck(lambda w: soft_threshold(w, 0.4), (w,))
    assert gradgradcheck(lambda w: soft_threshold(w, 0.4), (w,))


def test_gradient_by_the_threshold():
    w = torch.tensor([-2.0, 0.3, 1.5], dtype=torch.float64, requires_grad=True)
    for shape in ((), (1,), (3,)):
        threshold = torch.full(shape, 0.5, dtype=torch.float64, requires_grad=True)
        assert gradcheck(soft_threshold, (w, threshold))


@needs_kernels
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("by_adam", [False, True])
def test_elastic_prox(variant, dtype, by_adam):
    w = torch.randn(2, 37, 11, dtype=torch.float64).to(dtype)
    moment = torch.rand(2, 37, 11, dtype=torch.float64).to(dtype) if by_adam else None
    l1, l2 = torch.tensor([0.5, 2.0]), torch.tensor([0.0, 1.0])
    ours = cpu.elastic_prox(w, moment, l1, l2, 0.25, 1e-8, 1.7)
    expected = reference.elastic_prox(w, moment, l1, l2, 0.25, 1e-8, 1.7)
    assert torch.equal(ours == 0, expected == 0)
    assert (ours == 0).any()
    # near its limit a weight is the difference of two numbers that are almost equal
    rounding = {"rtol": 1e-6, "atol": 1e-6} if dtype.itemsize > 2 else {"rtol": 1e-2}
    assert torch.allclose(ours, expected, **rounding)
    if not by_adam:
        assert torch.equal(ours, expected)
        wide = w.double()
        step = 0.25 * l1.double()[:, None, None]
        formula = wide.sign() * (wide.abs() - step).clamp(min=0)
        formula /= 1 + 0.25 * l2.double()[:, None, None]
        assert torch.allclose(ours.double(), formula, atol=1e-6 if dtype.itemsize > 2 else 0.02)


@needs_kernels
def test_elastic_prox_in_place(variant):
    w = torch.randn(1, 1000)
    expected = elastic_prox(w, torch.tensor([0.3]), torch.tensor([0.1]), rate=1.0)
    cpu.elastic_prox(w, None, torch.tensor([0.3]), torch.tensor([0.1]), 1.0, 0.0, 1.0, out=w)
    assert torch.equal(w, expected)


def test_moments_of_another_shape_are_refused():
    w, strength = torch.ones(3, 4), torch.tensor([0.5])
    with pytest.raises(UsageError, match=r"second moments have the shape \[1, 4\]"):
        elastic_prox(w, strength, strength, rate=0.1, second_moment=w[:1])
