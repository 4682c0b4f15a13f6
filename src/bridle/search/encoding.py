"""The encodings of a table that a search chooses from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from bridle.search.data import LARGE
from bridle.tables import TableEncoder
from bridle.tables.columns import Column

__all__ = ["encode", "fit_encoders"]

BINS, MANY_BINS = 16, 48
MIN_BINS = 4
MAX_BIN_INPUTS = 512  # that the bins may add
_SHARE = 0.25  # of the memory, for the rows in both encodings


def fit_encoders(
    frame: pd.DataFrame, columns: Sequence[Column] | None = None, memory: float = math.inf
) -> dict[int, TableEncoder]:
    """Fit the encoders of a table: without bins, and with bins for each numerical feature.

    There are 16 bins; from 10,000 rows on 48, or as many as add 512 inputs. The second encoder is
    left out if 16 bins would add more inputs than that. It has fewer bins, or is left out, if the
    rows in both encodings would take more than a quarter of ``memory``. The keys are the numbers of
    bins. ``columns`` has the kinds of the columns, if they are decided already.
    """
    encoder = TableEncoder().fit(frame, columns)
    bins = _bins_for(encoder.numbers, len(encoder.feature_names), len(frame), memory)
    return {each: encoder.binned(frame, each) for each in ((0, bins) if bins else (0,))}


def _bins_for(numbers: int, inputs: int, rows: int, memory: float) -> int:
    """Return the bins of each of the numerical features among the inputs; 0 is none."""
    if not 0 < numbers * BINS <= MAX_BIN_INPUTS:
        return 0
    finest = BINS if rows < LARGE else min(MANY_BINS, MAX_BIN_INPUTS // numbers)
    bins = int(min(finest, (_SHARE * memory / (4 * rows) - 2 * inputs) / numbers))
    return bins if bins >= MIN_BINS else 0


def encode(encoders: dict[int, TableEncoder], frame: pd.DataFrame) -> dict[int, Tensor]:
    """Encode rows with each encoder, float32 ``[rows, features]``."""
    return {bins: torch.from_numpy(each.transform(frame)) for bins, each in encoders.items()}
