"""The record of a diagnosis: which rows it measures on, the worst rows, the folds, and its JSON."""

import json

import numpy as np
import pytest
from prediction_cases import binary, said

from bridle.diagnosis.assemble import Measurements, assemble
from bridle.diagnosis.predictions import Predictions
from bridle.statistics.intervals import corrected_interval


def test_the_test_set_is_the_honest_one_where_held_out_rows_chose():
    parts = {"training": said(90, 100), "held out": said(85, 100), "test": said(60, 100)}
    chosen = assemble(Measurements("it", "classification", parts, selected=True))
    plain = assemble(Measurements("it", "classification", parts))
    assert chosen.gap.measured_on == "test"
    assert chosen.gap.value.value == pytest.approx(0.3)
    assert plain.gap.measured_on == "held out"
    assert plain.gap.value.value == pytest.approx(0.05)


def test_worst_rows_are_the_highest_losses(rng):
    known = binary(rng, 60)
    moved = Predictions.of_probabilities(
        known.truth, known.probabilities, known.classes, np.arange(60) + 5
    )
    found = assemble(Measurements("it", "classification", {"held out": moved}, worst=3))
    order = np.argsort(-known.losses)[:3]
    assert [each.row for each in found.worst] == (order + 5).tolist()
    assert found.worst[0].loss == pytest.approx(known.losses.max())
    assert found.worst[0].truth == ("no", "yes")[known.truth[order[0]]]


def test_folds_are_taken_apart(rng):
    truth = np.zeros(40, int)
    seen, unseen = rng.integers(0, 2, 40) * 0, rng.integers(0, 2, 40)
    fold = np.arange(40) % 4
    parts = {
        "training": Predictions(truth, seen, None, (0, 1)),
        "held out": Predictions(truth, unseen, None, (0, 1)),
    }
    found = assemble(Measurements("it", "classification", parts, fold=fold)).gap
    wanted = [unseen[fold == each].mean() for each in range(4)]
    assert found.folds == pytest.approx(wanted)
    assert found.folds_corrected == corrected_interval(found.folds, 1 / 3)


def test_the_record_is_json_and_names_nothing_that_is_not_there():
    found = assemble(Measurements("it", "regression", {}))
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert json.loads(text)["gap"] is None
    assert found.verdict == "cannot tell"
    with pytest.raises(AttributeError):
        found.verdict = "fine"
