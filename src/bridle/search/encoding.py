"""The encodings of a table that a search chooses from."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from bridle.tables import TableEncoder
from bridle.tables.columns import Column

__all__ = ["encode", "fit_encoders"]

BINS = 16
MAX_BIN_INPUTS = 512  # that the bins may add


def fit_encoders(
    frame: pd.DataFrame, columns: Sequence[Column] | None = None
) -> dict[int, TableEncoder]:
    """Fit the encoders of a table: without bins, and with 16 bins for each numerical feature.

    The second one is left out if its bins would add more than 512 inputs. The keys are the numbers
    of bins. ``columns`` has the kinds of the columns, if they are decided already.
    """
    encoder = TableEncoder().fit(frame, columns)
    bins = (0, BINS) if 0 < encoder.numbers * BINS <= MAX_BIN_INPUTS else (0,)
    return {each: encoder.binned(frame, each) for each in bins}


def encode(encoders: dict[int, TableEncoder], frame: pd.DataFrame) -> dict[int, Tensor]:
    """Encode rows with each encoder, float32 ``[rows, features]``."""
    return {bins: torch.from_numpy(each.transform(frame)) for bins, each in encoders.items()}
