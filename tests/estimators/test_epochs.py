"""The compiled epochs, beside the same epochs as torch's own operations."""

import math
import signal
import threading
import warnings
from itertools import product

import numpy as np
import pytest
import scipy.sparse
import torch

from bridle import MLPClassifier, MLPRegressor
from bridle.errors import UsageError
from bridle.estimators import epochs
from bridle.estimators.epochs import Batches, Penalties, epoch_losses
from bridle.estimators.optimizers import AdamOptimizer, SGDOptimizer
from bridle.estimators.perceptron import Masks, Perceptron
from bridle.estimators.prediction import row_loader
from bridle.ops import cpu
from bridle.ops.cpu_variants import DTYPE_CODES

FUSED = [name for name in cpu.variants() if name in ("avx512", "avx2", "neon")]
NONE, ALL = Masks(), Masks(0.5, 0.8, 0.7, 9)
MASKS = (NONE, Masks(0.6, 1.0, 1.0, 3), Masks(1.0, 0.7, 1.0, 2**40), Masks(1.0, 1.0, 0.4, 5), ALL)
BARE = Penalties(0.0, 0.0, None)
PENALTIES = (BARE, Penalties(0.3, 0.0, None), Penalties(0.0, 3e-3, 0.8), Penalties(0.1, 1e-3, 1.1))
ROWS, SIZES = 83, [21, 40, 33, 3]  # widths that no vector divides
CLOSE = {torch.float32: {"rtol": 2e-4, "atol": 5e-5}, torch.float64: {"rtol": 1e-8, "atol": 1e-10}}

pytestmark = [
    pytest.mark.skipif(not FUSED, reason="needs AVX2, AVX-512 or NEON"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@pytest.fixture
def using():
    before, threads = cpu.variant(), torch.get_num_threads()
    yield cpu.use_variant
    cpu.use_variant(before)
    torch.set_num_threads(threads)


def optimizer_of(solver, count, dtype, rate=0.01):
    kind = str(dtype).removeprefix("torch.")
    if solver == "adam":
        return AdamOptimizer(count, kind, rate, (0.9, 0.99), 1e-4)
    return SGDOptimizer(count, kind, rate, "constant", 0.8, solver == "nesterov", 0.5)


def targets(link, outputs):
    drawn = torch.rand(ROWS, outputs, dtype=torch.float64)
    if link == "softmax":
        return torch.nn.functional.one_hot(drawn.argmax(1), outputs)
    return {"logistic": drawn.round(), "exp": (3 * drawn).round()}.get(link, drawn)


def trained(compiled, activation, link, solver, dtype, masks, penalties, weighted, sizes=SIZES):
    """Return parameters, losses and the optimizer's state after two epochs."""
    torch.manual_seed(len(activation) + len(link))
    network = Perceptron(sizes, activation, link, dtype, "cpu")
    network.flat.copy_(torch.randn_like(network.flat) / 8)
    X = torch.randn(ROWS, sizes[0], dtype=dtype)
    y = targets(link, sizes[-1]).to(dtype)
    weight = torch.rand(ROWS, dtype=dtype) if weighted else None
    rate = 0.001 if link == "exp" else 0.01  # a Poisson loss diverges early
    optimizer = optimizer_of(solver, len(network.flat), dtype, rate)
    optimizer.load_state(network)
    data = X if compiled else row_loader(X.numpy(), network.flat)
    batches = Batches(data, y, weight, 32, np.array([32.0, 32.0, 19.0]))
    losses, steps = [], 0
    for _ in range(2):
        order = torch.randperm(ROWS).numpy()
        found = torch.cat(
            list(epoch_losses(network, optimizer, batches, order, masks, penalties, steps))
        )
        losses.append(found.double())
        steps += len(found)
    assert steps == 6
    return network.flat, torch.cat(losses), *(each.clone() for each in optimizer.state)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("link", ["identity", "exp", "logistic", "softmax"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_epochs_are_those_of_torch(using, activation, link, dtype):
    """Each mask and solver with each activation, loss and dtype; penalties and weights in turn."""
    turn = len(activation) + len(link) + (dtype == torch.float64)
    for solver, masks in product(("adam", "sgd", "nesterov"), MASKS):
        turn += 1
        penalties, weighted = PENALTIES[turn % len(PENALTIES)], bool(turn % 3)
        case = (activation, link, solver, dtype, masks, penalties, weighted)
        expected = trained(False, *case)
        using(FUSED[turn % len(FUSED)])
        for found, value in zip(trained(True, *case), expected, strict=True):
            torch.testing.assert_close(
                found, value, **CLOSE[dtype], msg=lambda m, case=case: f"{case}: {m}"
            )


@pytest.mark.parametrize("rows", [257, 200_000])
def test_sums_over_many_rows_are_exact(using, rows):
    """The total weight, the loss and each gradient; the same for any number of threads."""
    drawn = np.random.default_rng(0).standard_normal((rows, 2))
    X, y, weight = drawn, drawn[:, :1] + 3, np.full(rows, 0.1)
    found = []
    for dtype, threads in ((torch.float64, 0), (torch.float32, 1), (torch.float32, 3)):
        torch.manual_seed(0)
        network = Perceptron([2, 5, 1], "tanh", "identity", dtype, "cpu")
        network.flat.copy_(torch.randn(len(network.flat)))
        if threads:
            torch.set_num_threads(threads)
        optimizer = optimizer_of("sgd", len(network.flat), dtype)
        optimizer.load_state(network)
        at = torch.from_numpy(X).to(dtype) if threads else row_loader(X, network.flat)
        columns = (torch.from_numpy(each).to(dtype) for each in (y, weight))
        batches = Batches(at, *columns, rows, np.array([float(rows)]))
        more = np.arange(rows), NONE, Penalties(0.3, 0.0, None), 0
        (loss,) = epoch_losses(network, optimizer, batches, *more)
        found.append(torch.cat([network.gradient, loss.to(dtype)]))
    exact, alone, together = found
    torch.testing.assert_close(alone.double(), exact, rtol=1e-5, atol=1e-6)
    assert torch.equal(alone, together)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_an_infinite_score_has_a_loss(dtype, y):
    """0 for the right class, infinity for the wrong one; not NaN."""
    optimizer = optimizer_of("sgd", 2, dtype)
    for bias in (-np.inf, np.inf):
        network = Perceptron([1, 1], "relu", "logistic", dtype, "cpu")
        network.biases[0].fill_(bias)
        optimizer.load_state(network)
        data = torch.zeros(1, 1, dtype=dtype), torch.full((1, 1), y, dtype=dtype)
        batches = Batches(*data, None, 1, np.ones(1))
        (loss,) = epoch_losses(network, optimizer, batches, np.arange(1), NONE, BARE, 0)
        assert float(loss) == (0 if (bias > 0) == y else np.inf)


@pytest.mark.parametrize("sizes", [[1, 1], [5, 1], [3, 130, 2], [300, 7, 1], [4, 1, 1, 9]], ids=str)
@pytest.mark.parametrize("masks", [NONE, ALL], ids=["bare", "masked"])
def test_any_number_of_units(using, sizes, masks):
    for link in ("identity", "logistic"):
        case = ("relu", link, "adam", torch.float64, masks, PENALTIES[-1], True, sizes)
        for found, value in zip(trained(True, *case), trained(False, *case), strict=True):
            torch.testing.assert_close(found, value, **CLOSE[torch.float64])


@pytest.mark.parametrize("more", [1, 15])
def test_more_inputs_of_one_unit_than_move_at_once(using, more):
    torch.set_num_threads(1)
    case = ("relu", "identity", "adam", torch.float64, NONE, BARE, False, [(1 << 14) + more, 1])
    for found, value in zip(trained(True, *case), trained(False, *case), strict=True):
        torch.testing.assert_close(found, value, **CLOSE[torch.float64])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("masks", [NONE, ALL], ids=["bare", "masked"])
def test_the_number_of_threads_changes_nothing(using, dtype, masks):
    case = ("relu", "softmax", "adam", dtype, masks, PENALTIES[-1], True, [300, 200, 130, 11])
    torch.set_num_threads(1)
    alone = trained(True, *case)
    for threads in (2, 3):
        torch.set_num_threads(threads)
        for found, value in zip(trained(True, *case), alone, strict=True):
            assert torch.equal(found, value)


def test_parts_of_an_epoch_are_the_epoch(using, monkeypatch):
    case = ("tanh", "softmax", "adam", torch.float64, ALL, PENALTIES[-1], True)
    whole = trained(True, *case)
    monkeypatch.setattr(epochs, "_PER_CALL", 1)
    for found, value in zip(trained(True, *case), whole, strict=True):
        assert torch.equal(found, value)


def test_what_fits_is_compiled(using, monkeypatch):
    """Sparse rows, kernels without products, and networks too large take torch's operations."""
    using(FUSED[0])
    network = Perceptron([4, 3, 1], "relu", "identity", torch.float64, "cpu")
    X, y = np.zeros((6, 4)), np.zeros((6, 1))

    def compiled(X=X):
        return isinstance(Batches.of(network, X, y, None, 4).X, torch.Tensor)

    assert compiled()
    assert not compiled(scipy.sparse.csr_array(X))
    # a step takes long, so that an interrupt would wait, although the products are few
    assert callable(Batches.of(network, X, y, None, 5_000_000).X)
    for limit in ("_MOST_WEIGHTS", "_PER_STEP"):
        with monkeypatch.context() as patch:
            patch.setattr(epochs, limit, 14)
            assert not compiled()
    using("plain")
    assert not compiled()
    assert Batches.of(network, X, y, None, 4).counts.tolist() == [4, 2]


def activated(kind, x):
    """Return an activation by the kernel; None means the exponential."""
    from bridle.ops import _native

    out, bias = x.clone(), torch.zeros_like(x)
    bias_at = 0 if kind is None else bias.data_ptr()
    _native.activate(DTYPE_CODES[x.dtype], kind or 0, len(x), out.data_ptr(), bias_at)
    return out


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", [*(each for each in cpu.variants() if each != "torch")])
def test_exponentials_are_exact_to_rounding(using, name, dtype):
    using(name)
    x = torch.linspace(-120, 88, 100_003, dtype=dtype)
    x = torch.cat([x, x * 2e-3, x * 1e-6, x * 1e-20, torch.zeros(1, dtype=dtype)])
    eps, tiny = torch.finfo(dtype).eps, 2 * torch.finfo(dtype).tiny
    for kind, of, units in (
        (None, torch.exp, 2),
        (2, torch.tanh, 4),
        (3, torch.sigmoid, 4),
    ):
        exact = of(x.double())
        error = (activated(kind, x).double() - exact).abs()
        # torch's own double has an error of its own
        assert bool((error <= units * eps * exact.abs() + 8 * tiny).all()), (kind, error.max())
    edges = torch.tensor([math.nan, math.inf, -math.inf, 1e30, -1e30], dtype=dtype)
    for kind, of in ((None, torch.exp), (2, torch.tanh), (3, torch.sigmoid), (1, torch.relu)):
        torch.testing.assert_close(activated(kind, edges), of(edges), equal_nan=True)
    assert math.isnan(float(activated(0, edges)[0]))


SETTINGS = [
    {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 12},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "learning_rate_init": 0.2},
    {"solver": "sgd", "learning_rate": "invscaling", "shuffle": False},
    {"warm_start": True, "keep_prob": 0.7, "batch_size": 50},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_fits_are_those_of_torch(using, kind, settings):
    random = np.random.default_rng(0)
    X = random.normal(size=(150, 6))
    y = np.digitize(X[:, 0], [-0.5, 0.5]) if kind is MLPClassifier else X[:, 0]
    fits = []
    for name in ("torch", FUSED[0]):
        using(name)
        model = kind(**({"random_state": 0, "max_iter": 6, "hidden_layer_sizes": 20} | settings))
        for _ in range(1 + settings.get("warm_start", 0)):
            model.fit(X, y, sample_weight=random.uniform(size=150) * 0 + 0.7)
        if not model.early_stopping:
            model.partial_fit(X, y)
        fits.append(model)
    assert fits[0].n_iter_ == fits[1].n_iter_
    assert fits[0].mask_seed_ == fits[1].mask_seed_
    assert fits[0]._optimizer.learning_rate == fits[1]._optimizer.learning_rate
    np.testing.assert_allclose(fits[0].loss_curve_, fits[1].loss_curve_, rtol=1e-9)
    for a, b in zip(fits[0].coefs_, fits[1].coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)


def test_rows_in_any_layout(using):
    """Read-only arrays, as joblib's workers have them, columns first, and the other byte order."""
    random = np.random.default_rng(0)
    X, y, weight = random.normal(size=(60, 5)), random.normal(size=(60, 2)), random.uniform(size=60)
    model = MLPRegressor(hidden_layer_sizes=5, random_state=0, max_iter=3)
    expected = model.fit(X, y, weight).predict(X)
    for change in (
        lambda a: np.asfortranarray(a)[::-1][::-1],
        lambda a: a.astype(a.dtype.newbyteorder()),
        np.copy,
    ):
        rows = [change(each) for each in (X, y, weight)]
        for each in rows:
            each.setflags(write=False)
        np.testing.assert_array_equal(model.fit(*rows).predict(X), expected)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_one_reversed_row_or_column(using, solver):
    """NumPy takes them for contiguous, but torch refuses their negative strides."""
    X = np.random.default_rng(0).normal(size=(9, 3))
    model = MLPRegressor(hidden_layer_sizes=2, solver=solver, max_iter=2, random_state=0)
    for name in (FUSED[0], "torch"):
        using(name)
        for rows in (X[:, :1][:, ::-1], X[:-2:-1]):
            assert min(rows.strides) < 0
            weight = np.ones(len(rows))[::-1]
            found = model.fit(rows, rows[:, 0], weight).predict(rows)
            expected = model.fit(rows.copy(), rows[:, 0].copy(), weight.copy()).predict(rows.copy())
            np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals to a thread")
def test_an_interrupt_acts_within_a_long_epoch():
    random = np.random.default_rng(0)
    X, y = random.normal(size=(300_000, 20)).astype(np.float32), random.integers(0, 2, 300_000)
    interrupt = threading.Timer(0.3, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))

    class Interrupted(MLPClassifier):
        def _train_epochs(self, *arguments):  # not before, where the interrupt would end the tests
            interrupt.start()
            return super()._train_epochs(*arguments)

    model = Interrupted((300, 300), batch_size=50, max_iter=1000)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    assert [str(each.message) for each in caught] == ["Training interrupted by user."]
    assert model._steps < 6000  # not even one epoch
    assert not model.loss_curve_
    assert model.predict(X[:5]).shape == (5,)


def test_what_the_kernel_would_misread_is_refused():
    network = Perceptron([4, 3, 1], "relu", "identity", torch.float64, "cpu")
    optimizer = optimizer_of("adam", len(network.flat), torch.float64)
    optimizer.load_state(network)
    X, y = torch.zeros(6, 4, dtype=torch.float64), torch.zeros(6, 1, dtype=torch.float64)
    order = np.arange(6)
    for wrong, message in (
        (X.float(), r"float32 \[6, 4\]"),
        (X.t().contiguous().t(), r"strides \(1, 6\)"),
    ):
        batches = Batches(wrong, y, None, 2, np.full(3, 2.0))
        with pytest.raises(UsageError, match=message + ".*; give torch.float64 on the CPU"):
            list(epoch_losses(network, optimizer, batches, order, NONE, BARE, 0))
