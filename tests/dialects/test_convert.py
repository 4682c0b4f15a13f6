"""Conversions of a strength: round trips, bridle's own penalties, torch's optimizers, errors."""

import pytest
import torch
from dialect_helpers import BOTH, CONTEXT, SIDES, VALUES, penalty_of

from bridle import L1, L2, ElasticNet, UsageError
from bridle.dialects.conventions import named
from bridle.dialects.convert import DIALECTS, convert_strength
from bridle.penalties import add_gradients, apply_prox

SAID = pytest.mark.filterwarnings("ignore::bridle.errors.RegularizationWarning")


def _is_inverse(name):
    return getattr(named(name).setting, "inverse", None)


FORMS = {named(name).form: name for name in DIALECTS}
"""One dialect of each form; two of the same form convert any number alike."""


@SAID
@SIDES
@pytest.mark.parametrize("name", DIALECTS)
def test_round_trip(name, squared_error):
    value = VALUES.get(name, 0.37)
    context = {**CONTEXT, "squared_error": squared_error}
    there = convert_strength(value, name, BOTH, **context)
    assert convert_strength(there, BOTH, name, **context) == pytest.approx(value, rel=1e-14)


@SAID
@pytest.mark.parametrize("name", DIALECTS)
def test_to_itself_and_through_every_other(name):
    value = VALUES.get(name, 0.37)
    assert convert_strength(value, name, name, **CONTEXT) == pytest.approx(value, rel=1e-14)
    for other in FORMS.values():
        if set(_parts(name)) <= set(_parts(other)):
            there = convert_strength(value, name, other, **CONTEXT)
            back = convert_strength(there, other, name, **CONTEXT)
            assert back == pytest.approx(value, rel=1e-14)


@SAID
@pytest.mark.parametrize("name", [n for n in DIALECTS if not _is_inverse(n)])
def test_nothing_is_nothing(name):
    there = convert_strength({"l1": 0, "l2": 0}, BOTH, name, **CONTEXT)
    assert convert_strength(there, name, BOTH, **CONTEXT) == {"l1": 0, "l2": 0}


def _parts(name):
    return named(name).parts


def test_context_is_ignored_where_it_is_not_needed():
    assert convert_strength(0.1, "bridle.L2", "torch.SGD", **CONTEXT) == 0.1


def test_one_rounding_where_one_will_do():
    assert convert_strength(1e-4, "sklearn.MLPClassifier", "bridle.L2", rows=200) == 1e-4 / 200


@pytest.mark.parametrize(
    ("name", "penalty"),
    [("bridle.L2", L2(0.37)), ("bridle.L1", L1(0.37)), (BOTH, ElasticNet(0.3, 0.2))],
)
def test_bridles_own_dialects_are_its_penalties(name, penalty):
    w = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    same = penalty_of(VALUES.get(name, 0.37), name)
    assert torch.isclose(same.value(w), penalty.value(w), rtol=1e-14)
    assert torch.allclose(same.gradient(w), penalty.gradient(w), rtol=1e-14)


def _parameters(count):
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    return [torch.nn.Parameter(w.clone()) for _ in range(count)]


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad"])
def test_torch_coupled_decay_is_the_gradient_of_l2(name):
    theirs, mine = _parameters(2)
    optimizer = getattr(torch.optim, name)
    first = optimizer([theirs], lr=0.1, weight_decay=0.3)
    second = optimizer([mine], lr=0.1)
    penalty = L2(convert_strength(0.3, f"torch.{name}", "bridle.L2"))
    for _ in range(3):
        for w, steps in ((theirs, first), (mine, second)):
            steps.zero_grad()
            (w.sin() * w).sum().backward()
            if w is mine:
                add_gradients([mine], [penalty])
            steps.step()
    assert torch.allclose(theirs, mine, rtol=1e-14, atol=0)


@pytest.mark.parametrize("rate", [1e-3, 0.1, 1.5])
@pytest.mark.parametrize("decay", [0.01, 0.5])
def test_torch_decoupled_decay_is_the_proximal_step_of_l2(rate, decay):
    """Where the data's gradient is zero, so that the decay is all that acts."""
    theirs, mine = _parameters(2)
    start = mine.detach().clone()
    penalty = L2(convert_strength(decay, "torch.AdamW", "bridle.L2", learning_rate=rate))
    adamw = torch.optim.AdamW([theirs], lr=rate, weight_decay=decay)
    plain = torch.optim.AdamW([mine], lr=rate, weight_decay=0.0)
    for w, steps in ((theirs, adamw), (mine, plain)):
        w.grad = torch.zeros_like(w)
        steps.step()
    apply_prox(plain, [mine], [penalty], metric="euclidean")
    assert not torch.equal(theirs, start)
    assert torch.allclose(theirs, penalty.prox(start, rate), rtol=1e-15, atol=0)
    assert torch.allclose(theirs, mine, rtol=1e-15, atol=0)


@pytest.mark.parametrize(
    ("arguments", "context", "message"),
    [
        (
            (0.1, "torch.AdamX", "bridle.L2"),
            {},
            "source is 'torch.AdamX'.*'torch.Adamax' or 'torch.Adam'",
        ),
        ((0.1, "bridle.L2", "Ridge"), {}, "target is 'Ridge'.*'sklearn.Ridge'"),
        ((0.1, None, "bridle.L2"), {}, "source is None"),
        ((0.1, "bridle.L1", "torch.SGD"), {}, "'torch.SGD' has no L1 part.*0.1.*ElasticNet'"),
        ((0.1, "keras.l2", "sklearn.Lasso"), {}, "'sklearn.Lasso' has no L2 part.*l2 = 0.2"),
        ((0.1, "sklearn.Ridge", "keras.l2"), {}, "'sklearn.Ridge' needs rows, which is None"),
        ((0.1, "keras.l2", "torch.AdamW"), {}, "'torch.AdamW' needs learning_rate, which is None"),
        ((-0.1, "keras.l2", "bridle.L2"), {}, "l2 of 'keras.l2' is -0.1.*0 or more"),
        ((float("nan"), "torch.SGD", "bridle.L2"), {}, "weight_decay of 'torch.SGD' is nan"),
        ((float("inf"), "bridle.L1", "keras.l1"), {}, "strength of 'bridle.L1' is inf"),
        ((10**400, "bridle.L1", "keras.l1"), {}, "strength of 'bridle.L1' is 10+;"),
        (("0.1", "bridle.L1", "keras.l1"), {}, "is '0.1'; it must be one number"),
        ((True, "bridle.L1", "keras.l1"), {}, "is True; it must be one number"),
        (({"l1": 1.0}, "bridle.L1", "keras.l1"), {}, "is {'l1': 1.0}; it must be one number"),
        ((0.1, BOTH, "keras.l1"), {}, 'ElasticNet\' is 0.1; give {"l1": …, "l2": …}'),
        (({"l1": 1.0}, BOTH, "keras.l1"), {}, 'is {\'l1\': 1.0}; give {"l1": …, "l2": …}'),
        (({"l1": 1.0, "l2": -1.0}, BOTH, "keras.l1"), {}, "l2 of 'bridle.ElasticNet' is -1.0"),
        (
            ({"alpha": 1.0, "l1_ratio": 1.5}, "sklearn.ElasticNet", BOTH),
            {},
            "l1_ratio of 'sklearn.ElasticNet' is 1.5",
        ),
        ((20.0, "torch.AdamW", "bridle.L2"), {"learning_rate": 0.1}, "is 20.0.*= 10.0"),
        ((0.0, "bridle.L2", "sklearn.LogisticRegression"), {"rows": 9}, "C = 1/0"),
        ((0.0, "sklearn.LogisticRegression", "bridle.L2"), {"rows": 9}, "C of .* is 0.0"),
        ((1e-320, "bridle.L2", "sklearn.LogisticRegression"), {"rows": 1}, "no finite value"),
        ((1e308, "keras.l2", "bridle.L2"), {}, "1e\\+308.*no finite value in 'bridle.L2'"),
        ((0.1, "keras.l2", "bridle.L2"), {"rows": 0}, "rows is 0"),
        ((0.1, "keras.l2", "bridle.L2"), {"rows": 1.5}, "rows is 1.5"),
        ((0.1, "keras.l2", "bridle.L2"), {"learning_rate": 0.0}, "learning_rate is 0.0"),
        ((0.1, "keras.l2", "bridle.L2"), {"learning_rate": -1}, "learning_rate is -1"),
        ((0.1, "keras.l2", "bridle.L2"), {"squared_error": "whole"}, "squared_error is 'whole'"),
    ],
)
def test_errors_name_the_value_and_the_next_step(arguments, context, message):
    with pytest.raises(UsageError, match=message) as caught:
        convert_strength(*arguments, **context)
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value)
