"""Schedules and their closed forms, for the tests of what schedules change."""

import math

import bridle
from bridle.schedules import Schedule

# what each is at a step, by hand
FORMS = {
    "linear": (
        bridle.LinearSchedule(0.2, 1.0, steps=7, begin=3),
        lambda s: 0.2 + 0.8 * min(max((s - 3) / 7, 0), 1),
    ),
    "cosine": (
        bridle.CosineSchedule(1.0, 0.1, steps=9, begin=2),
        lambda s: 0.1 + 0.9 * (1 + math.cos(math.pi * min(max((s - 2) / 9, 0), 1))) / 2,
    ),
    "cubic": (
        bridle.CubicSchedule(0.2, 0.9, steps=6, begin=1),
        lambda s: 0.9 - 0.7 * (1 - min(max((s - 1) / 6, 0), 1)) ** 3,
    ),
    "step": (
        bridle.StepSchedule({0: 1.0, 10: 0.5, 4: 0.25}),
        lambda s: 1.0 if s < 4 else 0.25 if s < 10 else 0.5,
    ),
}


class Halving(Schedule):
    """One of the user's own."""

    highest = 1.0

    def factors(self, steps):
        return 0.5 ** steps.double()
