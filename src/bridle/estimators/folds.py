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


class CVFolds(BaseEstimator):
    """An estimator with a ``cv`` parameter whose folds hold out each row once."""

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
    ) -> Array:
        """Return the index of the fold that holds out each row."""
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
            return fold_of_rows(coded, cv, classes, seed)
        fold = np.full(rows, -1)
        routed = self._routed(groups, params)
        parts = [held for _, held in check_cv(cv).split(frame, y, **routed)]
        for at, held in enumerate(parts):
            fold[held] = at
        if (fold < 0).any() or sum(map(len, parts)) != rows or len(parts) < 2:
            raise UsageError(
                f"cv is {cv!r}, which does not hold out each row exactly once; use a splitter that "
                "does, such as KFold or GroupKFold"
            )
        return fold

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
