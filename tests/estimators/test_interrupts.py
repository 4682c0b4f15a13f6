"""An interrupted fit: weights, optimizer, counts, curve and random state are of the same step."""

import signal
import sys
import threading
import warnings
from contextlib import contextmanager
from copy import deepcopy

import numpy as np
import pytest

from bridle import MLPClassifier
from bridle.estimators import epochs, stochastic
from bridle.ops.cpu import multiplies

pytestmark = pytest.mark.filterwarnings("ignore:training has not converged")
needs_kernels = pytest.mark.skipif(not multiplies(), reason="the compiled steps do not run here")

X = np.random.default_rng(0).normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(int)
EPOCHS, BATCHES = 5, 2


@pytest.fixture(autouse=True)
def handler():
    """Python's own handler, which a test in the background may lack."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@contextmanager
def interrupted_at(event):
    """Raise the signal at a call or return within the loop over epochs, C functions included.

    Yields a list to which the number of such events is added.
    """
    counted, within = [0], False

    def profile(frame, kind, _):
        nonlocal within
        name = frame.f_code.co_name
        if name == "_run_epochs" and kind in ("call", "return"):
            within = kind == "call"
        if within and frame.f_globals["__name__"].startswith("bridle."):
            counted[0] += 1
            if counted[0] == event:
                sys.setprofile(None)
                signal.raise_signal(signal.SIGINT)

    sys.setprofile(profile)
    try:
        yield counted
    finally:
        sys.setprofile(None)


def model_of(random, max_iter=EPOCHS, **params):
    return MLPClassifier(
        3, batch_size=20, learning_rate_init=0.02, max_iter=max_iter, random_state=random, **params
    )


def arrays(model):
    optimizer = model._optimizer
    names = ("moment", "square") if model.solver == "adam" else ("velocity",)
    return [*model.coefs_, *model.intercepts_, *(getattr(optimizer, name) for name in names)]


def check_same(found, random, expected, random_expected):
    """Training goes on in the same way, and has told the same."""
    for a, b in zip(arrays(found), arrays(expected), strict=True):
        np.testing.assert_array_equal(a, b)
    assert found._optimizer.learning_rate == expected._optimizer.learning_rate
    for name in ("n_iter_", "loss_curve_", "t_", "_steps", "_no_improvement_count", "best_loss_"):
        assert getattr(found, name) == getattr(expected, name), name
    assert random.randint(2**31 - 1) == random_expected.randint(2**31 - 1)


def interrupted_fits(every=1, **params):
    """Yield fits, each interrupted at another place, and the random state of each."""
    with interrupted_at(0) as counted:
        model_of(np.random.RandomState(0), **params).fit(X, Y)
    assert counted[0] > 100
    for event in range(1, counted[0], every):
        random = np.random.RandomState(0)
        model = model_of(random, **params)
        with warnings.catch_warnings(record=True) as caught, interrupted_at(event):
            warnings.simplefilter("always")
            model.fit(X, Y)
        assert any("Training interrupted by user" in str(each.message) for each in caught), event
        yield model, random


@needs_kernels
def test_an_interrupt_anywhere_leaves_whole_epochs(monkeypatch):
    """Also right after the compiled call of several epochs, before they are counted."""
    monkeypatch.setattr(stochastic, "epochs_at_once", lambda *_: 2)
    ended = set()
    for found, random in interrupted_fits(every=3):
        count = found.n_iter_
        if count and count not in ended:
            state = np.random.RandomState(0)
            expected = model_of(state, count).fit(X, Y)
        ended.add(count)
        if count:
            check_same(found, random, expected, deepcopy(state))
    assert ended == {0, 2, 4, 5}


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("multiplies", lambda: False), pytest.param("_PER_CALL", 1, marks=needs_kernels)],
)
def test_an_interrupt_within_an_epoch_leaves_whole_steps(monkeypatch, solver, name, value):
    """As in scikit-learn, the steps of the epoch that was begun are kept; it is not counted."""
    monkeypatch.setattr(epochs, name, value)
    monkeypatch.setattr(stochastic, "epochs_at_once", lambda *_: 1)
    take, after, state = stochastic.epoch_losses, [], np.random.RandomState(0)

    def recorded(network, optimizer, *arguments):
        for taken in take(network, optimizer, *arguments):
            of_step = [each.numpy().copy() for each in (network.flat, *optimizer.state)]
            after.append((deepcopy(state), *of_step))
            yield taken

    with monkeypatch.context() as patch:
        patch.setattr(stochastic, "epoch_losses", recorded)
        whole = model_of(state, solver=solver).fit(X, Y)
    assert len(after) == EPOCHS * BATCHES
    ended = set()
    for found, random in interrupted_fits(every=19, solver=solver):
        steps = found._steps
        ended.add(steps)
        assert found.n_iter_ == steps // BATCHES
        assert found.t_ == found.n_iter_ * len(X)
        assert found.loss_curve_ == whole.loss_curve_[: found.n_iter_]
        assert getattr(found._optimizer, "t", steps) == steps
        if steps:
            state, flat, *moments = after[steps - 1]
            assert random.randint(2**31 - 1) == deepcopy(state).randint(2**31 - 1)
            np.testing.assert_array_equal(found._to_perceptron().flat.numpy(), flat)
            for value, expected in zip(moments, arrays(found)[4:], strict=False):
                np.testing.assert_array_equal(value, expected)
    assert ended >= set(range(1, EPOCHS * BATCHES))


@needs_kernels
def test_a_handler_of_the_user_is_called_between_steps():
    """It gets its arguments, training goes on, and the handler stays."""
    seen = []

    def own(number, frame):
        seen.append((number, frame is not None, model._steps % BATCHES))

    signal.signal(signal.SIGINT, own)
    model = model_of(0)
    with interrupted_at(60):
        model.fit(X, Y)
    assert model.n_iter_ == EPOCHS
    assert seen == [(signal.SIGINT, True, 0)]
    assert signal.getsignal(signal.SIGINT) is own


@needs_kernels
def test_what_a_handler_raises_is_raised():
    def own(*_):
        raise TimeoutError

    signal.signal(signal.SIGINT, own)
    random = np.random.RandomState(0)
    model = model_of(random)
    with pytest.raises(TimeoutError), interrupted_at(60):
        model.fit(X, Y)
    assert signal.getsignal(signal.SIGINT) is own
    state = np.random.RandomState(0)
    check_same(model, random, model_of(state, model.n_iter_).fit(X, Y), state)


def test_a_handler_that_a_handler_sets_stays():
    def own(*_):
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    signal.signal(signal.SIGINT, own)
    with interrupted_at(60):
        model_of(0).fit(X, Y)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_an_interrupt_before_training_is_raised(monkeypatch):
    of = stochastic.Batches.of

    def interrupted(*arguments, **options):
        signal.raise_signal(signal.SIGINT)
        return of(*arguments, **options)

    monkeypatch.setattr(stochastic.Batches, "of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model_of(0).fit(X, Y)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_interrupt_and_another_thread():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupted_at(60):
        assert model_of(0).fit(X, Y).n_iter_ == EPOCHS
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)
    model = model_of(0)
    thread = threading.Thread(target=model.fit, args=(X, Y))
    thread.start()
    thread.join()
    assert model.n_iter_ == EPOCHS
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
