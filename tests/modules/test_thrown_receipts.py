"""A receipt that is thrown away before its penalties are attached says so, and no other does."""

import copy
import gc
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

import bridle
from bridle.errors import RegularizationWarning, UsageError

DROP = {nn.ReLU: bridle.Dropout(keep_prob=0.5)}
PENALTY = {"*": bridle.L1(0.1)}
CONCRETE = {nn.ReLU: bridle.ConcreteDropout(keep_prob=0.5)}
THROWN = "the receipt of bridle.regularize was thrown away before its {} were attached"


def mlp():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1)


@pytest.fixture
def warned():
    """Return a function that gives the warnings so far; none may come of an earlier test."""
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield lambda: [gc.collect(), [str(each.message) for each in caught]][1]


@pytest.mark.parametrize(
    ("rules", "what"),
    [
        (PENALTY, "penalties"),
        (PENALTY | DROP, "penalties"),
        ({"*": bridle.WeightDecay(0.1)}, "penalties"),
        ({"*": bridle.Sparsity(0.5, ramp=2)}, "penalties"),
        (CONCRETE, "learned rates"),
    ],
    ids=["penalty", "with noise", "decay", "sparsity", "rates"],
)
def test_a_receipt_that_is_thrown_away_warns_once_at_its_line(rules, what):
    model = mlp()
    with pytest.warns(RegularizationWarning, match=THROWN.format(what)) as warned:
        bridle.regularize(model, rules)
    assert [each.filename for each in warned] == [__file__]
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert "bridle.regularize(model, rules)" in lines[warned[0].lineno - 1]


def test_noises_alone_need_no_receipt(warned):
    bridle.regularize(mlp(), DROP)
    assert warned() == []


@pytest.mark.parametrize("rules", [PENALTY, CONCRETE], ids=["penalty", "rates"])
def test_what_is_attached_needs_no_receipt(warned, rules):
    model = mlp()
    bridle.regularize(model, rules, optimizer=sgd(model))
    model = mlp()
    bridle.regularize(model, rules).attach(sgd(model))
    assert warned() == []


@pytest.mark.parametrize(
    "use",
    [lambda receipt: receipt.undo(), str, lambda receipt: receipt.value()],
    ids=["undo", "print", "value"],
)
def test_a_receipt_that_was_used_is_silent(warned, use):
    use(bridle.regularize(mlp(), PENALTY))
    assert warned() == []


def test_rates_that_learn_are_silent(warned):
    model = mlp()
    bridle.regularize(model, CONCRETE).learn(sgd(model))
    assert warned() == []


def test_copies_are_silent_and_can_be_attached(warned):
    model = mlp()
    receipt = bridle.regularize(model, PENALTY)
    for other in (copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))):
        other((model, receipt))
        copied, again = other((model, receipt))
        optimizer = sgd(copied)
        again.attach(optimizer)
        copied(torch.ones(1, 4)).sum().backward()
        before = copied[0].weight.detach().clone()
        optimizer.step()
        assert not torch.equal(before, copied[0].weight)
    copy.copy(receipt)
    del receipt
    assert warned() == []


def test_the_sentence(warned):
    model = mlp()
    bridle.regularize(model, PENALTY)
    assert warned() == [
        THROWN.format("penalties") + " to an optimizer, so they do nothing, unless bridle.attach "
        "gives them to one: give optimizer=… to regularize, or keep the receipt and call "
        "receipt.attach(optimizer)"
    ]


def loaded_for_prediction(model):
    receipt = bridle.regularize(model, PENALTY | DROP)
    receipt.load_state_dict({"after 1": 3})


def attached_by_its_own_call(model):
    receipt = bridle.regularize(model, PENALTY)
    bridle.attach(sgd(model), PENALTY, model=model)
    assert receipt.penalties


def saved(model):
    assert bridle.regularize(model, PENALTY | DROP).state_dict() == {"after 1": 0}


@pytest.mark.parametrize("use", [loaded_for_prediction, attached_by_its_own_call, saved])
def test_what_was_used_otherwise_is_silent(warned, use):
    model = mlp()
    use(model)
    assert warned() == []


def test_an_optimizer_that_is_refused_gives_no_warning_beside_the_error(warned):
    model = mlp()
    with pytest.raises(UsageError, match="LBFGS"):
        bridle.regularize(model, PENALTY).attach(torch.optim.LBFGS(model.parameters()))
    assert warned() == []


def test_a_model_that_is_thrown_away_with_its_receipt_is_silent(warned):
    for rules in (PENALTY, CONCRETE, PENALTY | DROP):
        bridle.regularize(mlp(), rules)
        model = mlp()
        receipt = bridle.regularize(model, rules)
        del model
        del receipt
    assert warned() == []


@pytest.mark.parametrize(
    ("rules", "options"),
    [
        (PENALTY | {"none": bridle.L2(0.1)}, {}),
        ({"*": bridle.GroupLasso(0.1)}, {"metric": "other"}),
        ({"*": [bridle.MaxNorm(1.0)]}, {"mode": "coupled"}),
    ],
    ids=["selector", "metric", "mode"],
)
def test_what_fails_is_silent(warned, rules, options):
    model = mlp()
    with pytest.raises(UsageError):
        bridle.regularize(model, rules, optimizer=sgd(model), **options)
    assert warned() == []


PROGRAM = """
import torch, bridle
receipt = bridle.regularize(torch.nn.Linear(2, 1), {"weight": bridle.L1(0.1)})
"""


def test_the_end_of_a_program_is_silent():
    done = subprocess.run(
        [sys.executable, "-W", "always::bridle.errors.RegularizationWarning", "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "thrown away" not in done.stderr
    assert "Error" not in done.stderr
