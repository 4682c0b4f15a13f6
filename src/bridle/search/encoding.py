"""The encodings of a table that a search chooses from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from bridle.ops.encoded import Block, EncodedRows
from bridle.ops.population import can_step
from bridle.search.data import LARGE
from bridle.tables import TableEncoder
from bridle.tables.blocks import blocks_of
from bridle.tables.columns import Column

__all__ = ["encode", "encoded_rows", "fit_encoders"]

BINS, MANY_BINS = 16, 128
MIN_BINS = 4
MAX_BIN_INPUTS, MAX_FINE_INPUTS = 512, 2048  # that bins, and many bins, may add
EARLIER_BINS = 48  # instead of the many, in runs that do not say how many they have
_SHARE = 0.25  # of the memory, for the rows in both encodings


def fit_encoders(
    frame: pd.DataFrame,
    columns: Sequence[Column] | None = None,
    memory: float = math.inf,
    device: str = "cpu",
    *,
    bins: int | None = None,
    resumed: bool = False,
) -> dict[int, TableEncoder]:
    """Fit the encoders of a table: without bins, and with bins for each numerical feature.

    There are 16 bins; from 10,000 rows on 128, or as many as add 2048 inputs (512 on a GPU, where
    all inputs are multiplied), of which a repeated value takes one at most. The second encoder is
    left out if 16 bins would add more than 512 inputs. It has fewer bins, or is left out, if the
    rows in both encodings would take more than a quarter of ``memory``. The keys are the numbers of
    bins. ``columns`` has the kinds of the columns, if they are decided already.

    A ``resumed`` search has the ``bins`` that it began with, whatever the device and the memory are
    now. None is a search of an earlier version, which had at most 48.
    """
    spread = len(frame) >= LARGE and not (resumed and bins is None)
    encoder = TableEncoder().fit(frame, columns)
    if bins is None:
        numbers, inputs = encoder.numbers, len(encoder.feature_names)
        finest, most, held = MANY_BINS, MAX_BIN_INPUTS, 2 * inputs
        if resumed:
            finest = EARLIER_BINS
        else:
            most = MAX_FINE_INPUTS if device == "cpu" else MAX_BIN_INPUTS
            held += inputs + 2 * numbers  # at most: a code and a part of each block, in both
        bins = _bins_for(numbers, len(frame), finest, most, _SHARE * memory / 4, held)
    found = (0, bins) if bins else (0,)
    return {each: encoder.binned(frame, each, spread=spread) for each in found}


def _bins_for(numbers: int, rows: int, finest: int, most: int, values: float, held: int) -> int:
    """Return the bins of each of the numerical features; 0 is none.

    Those of a large table are at most ``finest``, and may add ``most`` inputs. The rows may take
    ``values`` values, of which each row needs ``held`` without any bins.
    """
    if not 0 < numbers * BINS <= MAX_BIN_INPUTS:
        return 0
    bins = BINS if rows < LARGE else min(finest, most // numbers)
    bins = int(min(bins, (values / rows - held) / numbers))
    return bins if bins >= MIN_BINS else 0


def encode(encoders: dict[int, TableEncoder], frame: pd.DataFrame) -> dict[int, Tensor]:
    """Encode rows with each encoder, float32 ``[rows, features]``."""
    return {bins: torch.from_numpy(each.transform(frame)) for bins, each in encoders.items()}


def encoded_rows(
    encoders: dict[int, TableEncoder], inputs: dict[int, Tensor], device: str = "cpu"
) -> dict[int, EncodedRows]:
    """Return the short form of what :func:`encode` returned, where there is one.

    There is none on a device whose steps do not take it.
    """
    if not can_step(torch.device(device)):
        return {}
    found = {
        bins: EncodedRows.of(inputs[bins], [Block(*block) for block in blocks_of(encoder)])
        for bins, encoder in encoders.items()
    }
    return {bins: rows for bins, rows in found.items() if rows is not None}
