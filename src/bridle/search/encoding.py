"""The encodings that a search chooses from, of one table."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from bridle.tables import TableEncoder

__all__ = ["encoded", "encodings_of"]

BINS = 16
MOST_BINNED = 512  # inputs that the bins may add


def encodings_of(frame: pd.DataFrame) -> dict[int, TableEncoder]:
    """Return the encoders of a table by their bins: numbers as they are, and in 16 bins too.

    The bins are left out where they would add more than 512 inputs.
    """
    encoder = TableEncoder().fit(frame)
    bins = (0, BINS) if 0 < encoder.numbers * BINS <= MOST_BINNED else (0,)
    return {each: encoder.binned(frame, each) for each in bins}


def encoded(encoders: dict[int, TableEncoder], frame: pd.DataFrame) -> dict[int, Tensor]:
    """Return the rows in each encoding, float32 ``[rows, features]``."""
    return {bins: torch.from_numpy(each.transform(frame)) for bins, each in encoders.items()}
