"""The formula of ``WeightDecay``, its shares and its arguments."""

import re

import pytest
import torch

from bridle import LinearSchedule, StepSchedule, UsageError, WeightDecay


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [1.0, 1e-5])
def test_cautious_decay_asks_for_signs_only(dtype, size):
    weight = torch.tensor([1, 1, 1, -1, -1, -1, 0, 0], dtype=dtype) * size
    update = torch.tensor([1, 0, -1, 1, 0, -1, 1, -1], dtype=dtype) * size
    assert (weight * update).dtype == dtype  # 1e-10 is 0 in float16, the signs are not
    taken = WeightDecay(0.5, cautious=True).taken(weight, update, 0.5)
    where = torch.tensor([1, 1, 0, 0, 1, 1, 0, 0], dtype=dtype)
    assert torch.equal(taken, 0.5 * weight * where)
    assert torch.equal(WeightDecay(0.5).taken(weight, update, 0.5), 0.5 * weight)


def test_share_is_a_product_of_strength_rate_and_schedule():
    schedule = LinearSchedule(1.0, 0.5, steps=10)
    rules = {scale: WeightDecay(0.2, scale=scale, schedule=schedule) for scale in SCALES}
    shares = {scale: rule.share(0.3, peak_lr=0.6, step=10) for scale, rule in rules.items()}
    assert shares == pytest.approx(
        {"lr": 0.03, "schedule": 0.05, "corrected": 0.015, "constant": 0.1}
    )
    assert WeightDecay(0.2, scale="corrected", peak_lr=0.6).share(0.3) == pytest.approx(0.03)
    assert WeightDecay(0.2, scale="schedule", peak_lr=0.6).share(0.0) == 0
    assert WeightDecay(0.2, schedule=StepSchedule({0: 0.0, 5: 1.0})).share(1.0, step=4) == 0


SCALES = ("lr", "schedule", "corrected", "constant")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: WeightDecay(-0.1), "strength is -0.1; it must be a finite number, 0 or more"),
        (lambda: WeightDecay(float("nan")), "strength is nan"),
        (lambda: WeightDecay(0.1, scale="steps"), "scale is 'steps'; it must be one of 'lr', 's"),
        (lambda: WeightDecay(1.5, scale="constant"), "strength is 1.5, but with scale='constant'"),
        (lambda: WeightDecay(0.1, peak_lr=0.1), "peak_lr has no meaning with scale='lr'"),
        (lambda: WeightDecay(0.1, scale="schedule", peak_lr=0), "peak_lr is 0; it must be"),
        (lambda: WeightDecay(0.1, schedule=0.5), "0.5 is not a schedule"),
        (lambda: WeightDecay(0.1, scale="schedule").share(0.1), "needs the highest learning rate"),
    ],
)
def test_wrong_arguments(make, text):
    with pytest.raises(UsageError, match=re.escape(text)):
        make()


def test_repr_has_what_differs_from_the_defaults():
    rule = WeightDecay(
        0.1, cautious=True, scale="schedule", peak_lr=1e-3, schedule=LinearSchedule(0.0, 1, steps=9)
    )
    assert str(rule) == (
        "WeightDecay(0.1, cautious=True, scale='schedule', peak_lr=0.001, "
        "schedule=LinearSchedule(0.0, 1.0, steps=9))"
    )
