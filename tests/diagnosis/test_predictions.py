"""What counts as predictions."""

import numpy as np
import pytest

from bridle.diagnosis.predictions import Predictions
from bridle.errors import DataError, UsageError


def test_predictions_that_are_no_numbers_are_refused():
    with pytest.raises(DataError, match="row 1 is not a finite number"):
        Predictions(np.zeros(2), np.array([0.0, np.nan]))
    with pytest.raises(UsageError, match="3 predictions for 2 rows"):
        Predictions(np.zeros(2), np.zeros(3))
