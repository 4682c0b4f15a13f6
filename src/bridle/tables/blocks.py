"""Which features of an encoder belong together."""

from __future__ import annotations

from bridle.tables.encoder import TableEncoder

__all__ = ["blocks_of"]


def blocks_of(encoder: TableEncoder) -> tuple[tuple[int, int, bool], ...]:
    """Return the neighboring features that encode one number in bins, or one column's categories.

    Each is the first feature, the number of features, and whether they are bins. The features that
    are in none encode a value each.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": [20, 30, 40, 50], "town": ["Ulm", "Bonn", "Ulm", "Ulm"]})
    >>> blocks_of(TableEncoder().fit(table).binned(table, 2))
    ((3, 2, True), (1, 2, False))
    """
    edges = encoder.state()[1].get("bins.counts")
    sizes = [] if edges is None else (edges - 1).tolist()
    at = len(encoder.feature_names) - sum(sizes)
    found = []
    for size in sizes:
        found.append((at, size, True))
        at += size
    for name, reader in encoder.levels.items():
        found.append((encoder.feature_columns.index(name), reader.count, False))
    return tuple(found)
