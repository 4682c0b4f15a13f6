"""Strengths and settings of the training by single words, which :func:`bridle.fit` takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypedDict

from bridle.errors import UsageError, did_you_mean
from bridle.models.arguments import number_of
from bridle.models.recipe import Recipe, Strengths
from bridle.noise import Dropout

__all__ = ["FitWords", "settings_of"]


class FitWords(TypedDict, total=False):
    """The words: those of :class:`bridle.Strengths`, ``drop_prob``, and those of a recipe."""

    l1: float
    l2: float
    keep_prob: float
    drop_prob: float
    input_keep_prob: float
    drop_connect_keep_prob: float
    max_norm: float | None
    hidden: Sequence[int]
    epochs: int
    patience: int | None
    learning_rate: float
    batch_size: int
    class_weight: str | Mapping[Any, float] | None


_STRENGTHS = (*(each.name for each in fields(Strengths)), "drop_prob")
_RECIPE = tuple(each.name for each in fields(Recipe))


def settings_of(
    words: Mapping[str, Any], strengths: Strengths | None = None, recipe: Recipe | None = None
) -> tuple[Strengths | None, Recipe]:
    """Return the strengths, or None if none is given, and the recipe.

    Parameters
    ----------
    words : mapping of str to value
        Such as ``{"l1": 1e-4, "epochs": 30}``. A patience of 0 turns early stopping off.
    strengths, recipe : Strengths, Recipe, optional
        They exclude the words for them.

    Raises
    ------
    UsageError
        If a word is unknown, out of range, or given twice.

    Examples
    --------
    >>> strengths, recipe = settings_of({"drop_prob": 0.2, "epochs": 30})
    >>> strengths.keep_prob, recipe.epochs
    (0.8, 30)
    """
    for word in words:
        if word == "sparsity":
            raise UsageError(
                "fit has no target sparsity: use bridle.MLPClassifier(sparsity=0.8) or "
                "bridle.MLPRegressor(sparsity=0.8), or attach bridle.Sparsity to the optimizer of "
                "a model of your own"
            )
        if word not in (*_STRENGTHS, *_RECIPE):
            hint = did_you_mean(word, (*_STRENGTHS, *_RECIPE, *_OTHERS))
            raise UsageError(f"fit has no argument {word!r}; {hint}")
    acting = {word: words[word] for word in _STRENGTHS if word in words}
    training = {word: words[word] for word in _RECIPE if word in words}
    for name, object_, kind_ in (("strengths", strengths, Strengths), ("recipe", recipe, Recipe)):
        if object_ is not None and not isinstance(object_, kind_):
            raise UsageError(
                f"{name} is {object_!r}; it must be a bridle.{kind_.__name__}, or give its fields "
                "as arguments of their own"
            )
    for name, object_, given in (("strengths", strengths, acting), ("recipe", recipe, training)):
        if object_ is not None and given:
            listed = ", ".join(f"{word}=" for word in given)
            kind = type(object_).__name__
            raise UsageError(
                f"{name}= and {listed} are given; give one of them: {kind}({listed}…), or only the "
                f"word{'s' if len(given) > 1 else ''}"
            )
    if acting:
        strengths = _strengths_of(acting)
    if training.get("patience", 1) == 0:
        training["patience"] = None
    return strengths, recipe or Recipe(**training)


_OTHERS = ("task", "strengths", "recipe", "drop", "reading", "seed", "on_epoch", "target")


def _strengths_of(given: dict[str, Any]) -> Strengths:
    probabilities = {name: given.pop(name, None) for name in ("keep_prob", "drop_prob")}
    keep_prob, drop_prob = (
        None if value is None else number_of(name, value) for name, value in probabilities.items()
    )
    if keep_prob is not None or drop_prob is not None:
        given["keep_prob"] = float(Dropout(keep_prob=keep_prob, drop_prob=drop_prob).keep_prob)
    return Strengths(**given)
