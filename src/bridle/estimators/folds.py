"""Folds of the CV estimators, and the routing of metadata to a splitter."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import (
    UNUSED,
    MetadataRouter,
    MethodMapping,
    process_routing,
)

from bridle.errors import UsageError
from bridle.search.data import fold_of_rows

__all__ = ["CVFolds"]

Array = np.ndarray[Any, np.dtype[Any]]


def _rows(given: Any, rows: int) -> Array:
    """Return the positions of rows, which may be given as a mask."""
    return np.arange(rows)[np.asarray(given)]


class CVFolds(BaseEstimator):
    """An estimator with a ``cv`` parameter whose folds hold out each row at most once."""

    cv: Any
    __metadata_request__fit = {"groups": UNUSED}  # noqa: RUF012 - groups belong to the splitter

    def _folds(
        self,
        frame: pd.DataFrame,
        y: Array,
        coded: Array,
        classes: int,
        seed: int,
        groups: Any,
        params: dict[str, Any],
    ) -> tuple[Array, Array | None]:
        """Return the fold that holds out each row, -1 for none, and what each fold trains on.

        The latter is bool ``[folds, rows]``; None if it is all rows that a fold does not hold out.
        """
        cv, rows = 5 if self.cv is None else self.cv, len(coded)
        if isinstance(cv, Integral):
            cv = int(cv)
            names = [*params, *(["groups"] if groups is not None else [])]
            if names:
                raise UsageError(
                    f"{' and '.join(names)} can be passed only to a splitter, but cv is {cv}; use "
                    "a splitter such as cv=GroupKFold(), or leave the argument out"
                )
            if not 2 <= cv <= rows // 2:
                raise UsageError(
                    f"cv is {cv} and there are {rows} samples; cv must be at least 2 and at most "
                    "half the number of samples"
                )
            return fold_of_rows(coded, cv, classes, seed), None
        fold = np.full(rows, -1)
        routed = self._routed(groups, params)
        parts = [
            (_rows(a, rows), _rows(b, rows)) for a, b in check_cv(cv).split(frame, y, **routed)
        ]
        trained = np.zeros((len(parts), rows), dtype=bool)
        for at, (train, held) in enumerate(parts):
            fold[held] = at
            trained[at, train] = True
        if (fold >= 0).sum() != sum(len(held) for _, held in parts) or len(parts) < 2:
            raise UsageError(
                f"cv is {cv!r}, which does not hold out each row exactly once, nor at most once; "
                "use a splitter that does, such as KFold, GroupKFold or TimeSeriesSplit"
            )
        known = [at for at in range(len(parts)) if (trained[at] & (fold == at)).any()]
        empty = [at for at, each in enumerate(parts) if not all(map(len, each))]
        if known or empty:
            raise UsageError(
                f"cv is {cv!r}, whose split {(known or empty)[0]} "
                + ("has rows on both sides" if known else "has no rows on one side")
                + "; use a splitter with rows on both sides, and each on one"
            )
        complete = all((trained[at] == (fold != at)).all() for at in range(len(parts)))
        return fold, None if complete else trained

    def _routed(self, groups: Any, params: dict[str, Any]) -> Any:
        given = {name: value for name, value in params.items() if value is not None}
        if groups is not None:
            given["groups"] = groups
        routed = process_routing(self, "fit", **given) if given else Bunch()
        if given and not routed["splitter"]["split"]:  # metadata routing is disabled
            return Bunch(**given)
        return routed["splitter"]["split"] if given else Bunch()

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the metadata routing of this estimator.

        Returns
        -------
        MetadataRouter
            Routes the metadata of ``fit`` to the splitter in ``cv``.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        if not isinstance(self.cv, Integral):
            mapping = MethodMapping().add(caller="fit", callee="split")
            router.add(splitter=check_cv(self.cv), method_mapping=mapping)
        return router
