"""Features of text columns: latent semantic analysis of their character n-grams."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bridle.errors import ModelFileError
from bridle.tables.strings import without_zeros

__all__ = ["TextFeatures"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
HASHES = 4096
COMPONENTS = 30
_SPREAD = 1e-3  # of the largest one; a direction with less is numerical noise
_LIMIT = 100.0  # for earlier model files


class TextFeatures:
    """Latent semantic analysis of the character n-grams of one column.

    N-grams of 3 and 4 characters within words are hashed, weighted by inverse document frequency,
    projected onto the leading singular vectors (Deerwester et al. 1990), and scaled to unit
    variance. Directions in which the training rows do not vary are dropped, and values are cut off
    at the largest ones of the training rows, so that a new word cannot give a huge feature. The
    state is four arrays.
    """

    def __init__(
        self,
        idf: FloatArray,
        directions: FloatArray,
        scale: FloatArray,
        limit: FloatArray | None = None,
    ) -> None:
        if idf.shape != (HASHES,) or directions.shape[1:] != (HASHES,):
            raise ModelFileError(
                f"text features have the shapes {idf.shape} and {directions.shape}; "
                "fit the model again"
            )
        self.idf, self.directions, self.scale = idf, directions, scale
        self.limit = np.full(len(directions), _LIMIT) if limit is None else limit

    @property
    def count(self) -> int:
        """The number of features."""
        return len(self.directions)

    @classmethod
    def fit(cls, texts: pd.Series[Any]) -> tuple[TextFeatures, FloatArray]:
        """Fit the features to a column, and return them with their values for it.

        Parameters
        ----------
        texts : Series
            Strings as :func:`~bridle.tables.columns.as_levels` reads them, None for missing ones.
        """
        from sklearn.decomposition import TruncatedSVD  # takes seconds to import
        from sklearn.feature_extraction.text import TfidfTransformer

        hashed = _hashed(texts)
        weighting = TfidfTransformer().fit(hashed)
        weighted = weighting.transform(hashed)
        count = min(COMPONENTS, weighted.shape[0] - 1)
        projection = TruncatedSVD(count, random_state=0).fit(weighted)
        values = weighted @ projection.components_.T
        spread = values.std(axis=0)
        kept = spread > _SPREAD * spread.max(initial=0.0)
        limit = np.abs(values[:, kept]).max(axis=0, initial=0.0) / spread[kept]
        features = cls(weighting.idf_, projection.components_[kept], spread[kept], limit)
        return features, features._project(weighted)

    def transform(self, texts: pd.Series[Any]) -> FloatArray:
        """Return float64 ``[rows, count]``; a missing value is a row of zeros."""
        from sklearn.feature_extraction.text import TfidfTransformer

        weighting = TfidfTransformer()
        weighting.idf_ = self.idf
        return self._project(weighting.transform(_hashed(texts)))

    def _project(self, weighted: Any) -> FloatArray:
        # sparse products are computed by row, so a row's features do not depend on other rows
        values = np.asarray(weighted @ self.directions.T) / self.scale
        return np.clip(values, -self.limit, self.limit)

    def arrays(self) -> dict[str, FloatArray]:
        """Return the state, by name."""
        return {
            "idf": self.idf,
            "directions": self.directions,
            "scale": self.scale,
            "limit": self.limit,
        }


def _hashed(texts: pd.Series[Any]) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = HashingVectorizer(
        analyzer="char_wb", ngram_range=(3, 4), n_features=HASHES, alternate_sign=False, norm=None
    )
    places, distinct = pd.factorize(texts.fillna(""))
    return hashing.transform([*map(without_zeros, distinct)])[places]
