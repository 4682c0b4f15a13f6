"""The compiled steps of a population, beside the same steps as torch's own operations."""

import ctypes
from dataclasses import replace

import numpy as np
import pytest
import torch

from bridle.errors import UsageError
from bridle.ops import cpu
from bridle.ops.cpu_variants import DTYPE_CODES
from bridle.search.configuration import Configuration
from bridle.search.data import SearchData
from bridle.search.trial_population import TrialPopulation

FUSED = [name for name in cpu.variants() if name in ("avx512", "avx2", "neon")]
ALL = Configuration(
    learning_rate=3e-3,
    l1=1e-3,
    l2=1e-3,
    keep_prob=0.5,
    input_keep_prob=0.9,
    drop_connect_keep_prob=0.8,
    max_norm=1.0,
    label_smoothing=0.1,
    mixup=0.3,
    averaging=8.0,
    class_weight=1.0,
)
SOME = Configuration(keep_prob=0.7, mixup=1.0, averaging=0.0, class_weight=0.5)
CONFIGURATIONS = (ALL, SOME, Configuration())

pytestmark = pytest.mark.skipif(not FUSED, reason="needs AVX2, AVX-512 or NEON")


def data_of(classes, rows=90, features=21, folds=3):
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(rows, features, generator=generator)
    y = X[:, 0] + torch.randn(rows, generator=generator)
    if classes:
        y = torch.bucketize(y, y.quantile(torch.linspace(0, 1, classes + 1)[1:-1]))
    return SearchData({0: X}, y, torch.arange(rows) % folds, classes)


def population_of(data, configurations=CONFIGURATIONS, ids=None, hidden=(40, 33), batch_size=19):
    shaped = [each.with_shape(hidden, 0) for each in configurations]
    ids = range(len(shaped)) if ids is None else ids
    return TrialPopulation(data, shaped, ids, seed=3, batch_size=batch_size)


def state_of(population):
    state = population.state()
    groups = ("weights", "moments", "squares", "average")
    return {f"{group} {i}": each.clone() for group in groups for i, each in enumerate(state[group])}


def trained(data, steps=(1, 10, 9), **options):
    population = population_of(data, **options)
    for some in steps:
        population.train(some)
    return state_of(population)


@pytest.mark.parametrize("hidden", [(40, 33), (), (7,), (130, 64, 5)])
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_steps_are_those_of_torch(using, classes, hidden):
    data = data_of(classes)
    using("torch")
    expected = trained(data, hidden=hidden)
    for name in FUSED:
        using(name)
        found = trained(data, hidden=hidden)
        for what, value in expected.items():
            message = f"{name}, {what}"
            torch.testing.assert_close(
                found[what], value, rtol=2e-4, atol=1e-4, msg=lambda m, said=message: f"{said}: {m}"
            )


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=["all", "some", "none"])
def test_one_step_is_torchs_to_rounding(using, configuration):
    data = data_of(3)
    using("torch")
    expected = trained(data, steps=(1,), configurations=[configuration])
    using(FUSED[0])
    found = trained(data, steps=(1,), configurations=[configuration])
    for what in expected:
        # the first step of Adam divides a gradient by its own size: one near 0 may turn its sign
        small = expected[what.replace("weights", "squares").replace("average", "squares")] < 1e-16
        torch.testing.assert_close(
            found[what][~small], expected[what][~small], rtol=1e-3, atol=2e-6
        )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("configurations", [CONFIGURATIONS, (Configuration(),)])
def test_a_gpu_takes_the_same_steps(using, classes, configurations):
    data = data_of(classes)
    using("torch")
    expected = trained(data, configurations=configurations)
    found = trained(replace(data, device="cuda"), configurations=configurations)
    for what, value in expected.items():
        torch.testing.assert_close(found[what].cpu(), value, rtol=2e-4, atol=1e-4, msg=what)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_goes_on_from_what_was_learned_and_predicts():
    here, there = (population_of(replace(data_of(3), device=name)) for name in ("cpu", "cuda"))
    here.train(5)
    there.train(3)  # forgotten
    there.load(here.state())
    here.train(9)
    there.train(9)
    torch.testing.assert_close(there.held_out(), here.held_out(), rtol=1e-3, atol=1e-3)


def test_all_variants_give_the_same_bits(using):
    found = []
    for name in FUSED:
        using(name)
        found.append(trained(data_of(3)))
    for other in found[1:]:
        assert all(torch.equal(other[what], found[0][what]) for what in other)


def test_a_member_has_the_same_bits_whatever_trains_beside_it_and_on_any_threads():
    data = data_of(3)
    before = torch.get_num_threads()
    together = trained(data, ids=[4, 8, 2])
    torch.set_num_threads(1)
    try:
        alone = trained(data, configurations=[SOME], ids=[8])
    finally:
        torch.set_num_threads(before)
    for what, value in alone.items():
        assert torch.equal(together[what][3:6], value), what


def test_one_call_for_many_steps_is_many_calls():
    data = data_of(2)
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            trained(data, steps=(40,)).values(),
            trained(data, steps=(3, 1, 30, 6)).values(),
            strict=True,
        )
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_numbers_below_the_normal_range_are_zero_and_the_callers_stay(using, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    tiny = torch.finfo(torch.float32).tiny
    try:
        for name in FUSED:
            using(name)
            population = population_of(data_of(3))
            population.train(1)
            for moment in population.moments:
                moment.fill_(1e-3 * tiny)
            population.train(1)
            found = torch.cat([moment.flatten().abs() for moment in population.moments])
            assert not ((found > 0) & (found < tiny)).any()
            kept = torch.full((64,), tiny) * 0.5
            assert (kept > 0).all()
    finally:
        torch.set_num_threads(before)


def test_what_is_no_number_stays_with_its_member():
    data = data_of(3)
    population = population_of(data)
    with torch.no_grad():
        population.parameters[0][0, 0, 0] = torch.nan
    population.train(3)
    assert bool(population.parameters[0][0].isnan().any())
    assert all(bool(p[1:].isfinite().all()) for p in population.parameters)


def test_what_the_kernel_would_misread_is_refused():
    population = population_of(data_of(0))
    population.data = replace(population.data, y=population.data.y.double())
    with pytest.raises(UsageError, match=r"float64 \[90\].*; give torch.float32 on the CPU"):
        population.train(1)
    population = population_of(data_of(3))
    population.X = population.X.t().contiguous().t()
    with pytest.raises(UsageError, match=r"strides \(1, 90\).*contiguous"):
        population.train(1)


def multiplied(a, b):
    """Return a @ b by the kernel, with a sentinel behind the last row."""
    from bridle.ops import _native

    out = torch.full((len(a) + 1, b.shape[1]), 7.0, dtype=a.dtype)
    places = (a.data_ptr(), *a.stride(), b.data_ptr(), *b.stride(), out.data_ptr())
    _native.multiply(DTYPE_CODES[a.dtype], [*a.shape, b.shape[1]], *places)
    assert bool((out[-1] == 7).all())
    return out[:-1]


SHAPES = [
    (1, 1, 1),
    (5, 7, 3),
    (6, 513, 33),
    (7, 256, 15),
    (13, 300, 70),
    (17, 64, 49),
    (128, 3, 2),
    (15, 270, 8),
    (9, 4, 9),
    (14, 30, 24),
    (128, 128, 128),
    (3, 257, 1),  # more terms than one part has, with columns that fill no vector
    (5, 300, 7),
    (15, 600, 17),
    (7, 300, 113),
    (33, 600, 130),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("across", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(map(str, s)))
def test_products_of_any_shape_and_stride(using, shape, across, dtype):
    rows, terms, columns = shape
    generator = torch.Generator().manual_seed(rows)
    a = torch.randn(rows, terms, generator=generator, dtype=dtype)
    b = torch.randn(terms, columns, generator=generator, dtype=dtype)
    a, b = (
        x.t().contiguous().t() if turned else x for x, turned in zip((a, b), across, strict=True)
    )
    found = []
    for name in FUSED:
        using(name)
        found.append(multiplied(a, b))
        exact = a.double() @ b.double()
        error = 2**-24 if dtype == torch.float32 else 2**-52  # the second, of both products
        bound = (terms + 1) * error * (a.double().abs() @ b.double().abs())
        assert bool(((found[-1].double() - exact).abs() <= bound).all())
    assert all(torch.equal(found[0], other) for other in found[1:])


@pytest.mark.parametrize(("name", "kind"), [("fmaf", np.float32), ("fma", np.float64)])
def test_each_element_is_a_chain_of_fused_multiply_adds(using, name, kind):
    fma = getattr(ctypes.CDLL(None), name, None)
    if fma is None:
        pytest.skip("the C library has no fma here")
    number = ctypes.c_float if kind is np.float32 else ctypes.c_double
    fma.restype, fma.argtypes = number, [number] * 3
    a, b = np.random.default_rng(0).normal(size=(2, 300)).astype(kind)
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total = fma(x, y, total)
    using(FUSED[0])
    found = multiplied(torch.from_numpy(a)[None], torch.from_numpy(b)[:, None])
    assert float(found) == total
