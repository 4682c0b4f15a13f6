"""A model without training, for tests of what it reads."""

import pandas as pd

import bridle
from bridle.models.reading import read_for_fit
from bridle.tables import ClassTarget, TableEncoder, ValueTarget


def untrained_model(table, *, bins=0, **noises):
    """A model of a network that is not trained, which tells any two rows apart."""
    given = read_for_fit(table, "y", ())
    numerical = pd.api.types.is_numeric_dtype(given.truth)
    target = ValueTarget.fit(given.truth) if numerical else ClassTarget.fit(given.truth)
    encoder = TableEncoder().fit(given.frame, given.columns).binned(given.frame, bins)
    sizes = [len(encoder.feature_names), 16, 1 if numerical else len(target.classes)]
    network = bridle.Network(sizes, seeds=[1, 2], **noises).eval()
    return bridle.TableModel(network, encoder, target, "y", {"table": {"marks": given.marks}})
