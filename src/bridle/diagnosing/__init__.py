"""``diagnose``: from a model, a history or a search to a :class:`bridle.Diagnosis`."""

from bridle.diagnosing.entry import diagnose

__all__ = ["diagnose"]
