"""Schedules against their closed forms."""

import math

import pytest
import torch

import bridle
from bridle.errors import UsageError
from schedule_forms import FORMS


@pytest.mark.parametrize("name", FORMS)
def test_factors_are_those_of_the_closed_form(name):
    schedule, form = FORMS[name]
    expected = [form(step) for step in range(15)]
    assert [schedule(step) for step in range(15)] == pytest.approx(expected, abs=1e-12)
    together = schedule.factors(torch.arange(15))
    assert together.dtype == torch.float64
    assert together.tolist() == pytest.approx(expected, abs=1e-12)
    assert schedule.highest == max(expected)
    assert repr(eval(f"bridle.{schedule!r}")) == repr(schedule)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bridle.LinearSchedule(-0.1, 1.0, steps=3), "start of LinearSchedule is -0.1"),
        (lambda: bridle.CosineSchedule(0.1, math.inf, steps=3), "end of CosineSchedule is inf"),
        (lambda: bridle.LinearSchedule(0.0, 1.0, steps=0), "steps=0"),
        (lambda: bridle.StepSchedule({}), "begins at step None"),
        (lambda: bridle.StepSchedule({5: 1.0}), "begins at step 5"),
        (lambda: bridle.StepSchedule({0: 1.0, 5: -1.0}), "factor at step 5 is -1.0"),
    ],
)
def test_schedules_that_cannot_be(make, message):
    with pytest.raises(UsageError, match=message):
        make()
