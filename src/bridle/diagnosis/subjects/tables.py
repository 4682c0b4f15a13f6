"""Subjects that know tables: a model, a fit, a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bridle.diagnosis import Part, Selection, ShuffledLabels
from bridle.diagnosis.assembly import Material
from bridle.diagnosis.curves import curves_of, curves_of_looks
from bridle.diagnosis.predicted import Predicted
from bridle.diagnosis.subjects.memory import shuffled_network
from bridle.diagnosis.subjects.options import Options
from bridle.diagnosis.subjects.references import BOOSTING, boosting
from bridle.diagnosis.subjects.subnetworks import compare_subnetworks
from bridle.diagnosis.subjects.weights import layers_of_network, parameters_of
from bridle.errors import DataError, UsageError
from bridle.models.fit import PLAIN, REGULARIZED
from bridle.models.recipe import Strengths
from bridle.models.result import FitResult
from bridle.models.split import split_rows, three_parts
from bridle.models.table_model import TableModel
from bridle.networks.population import Network, predict
from bridle.search import SearchResult
from bridle.statistics.scores import Estimate
from bridle.tables import (
    ClassTarget,
    ValueTarget,
    fingerprint,
    read_table,
    share_of_known_rows,
    target_column,
)

__all__ = ["material_of_fit", "material_of_model", "material_of_search"]

Array = np.ndarray[Any, np.dtype[Any]]
Coding = ClassTarget | ValueTarget

_FEW_KNOWN = 0.1
"""A larger share of known rows is no accident: a table may have the same row twice."""

_OTHER = {PLAIN: "the regularized network", REGULARIZED: "the plain network"}


def _name(network: Network) -> str:
    shape = "-".join(map(str, network.sizes))
    return f"network {shape}" + (f", {network.members} averaged" if network.members > 1 else "")


def _truth(y: Tensor, coding: Coding) -> Array:
    """Return codes, or values in the table's units."""
    if isinstance(coding, ClassTarget):
        return y.numpy()
    return coding.inverse(y.double().numpy()).to_numpy()


def _said(outputs: Tensor, y: Tensor, coding: Coding, places: Array | None = None) -> Predicted:
    """Return what outputs ``[members, rows, outputs]`` say on average."""
    truth = _truth(y, coding)
    if isinstance(coding, ClassTarget):
        shares = outputs.double().softmax(-1).mean(0).numpy()
        return Predicted.of_probabilities(truth, shares, coding.classes, places)
    values = coding.inverse(outputs[..., 0].double().mean(0).numpy()).to_numpy()
    return Predicted(truth, values, rows=places)


def _frame(data: Any, rows: int) -> pd.DataFrame | None:
    if data is None:
        return None
    frame = read_table(data)
    if len(frame) != rows:
        raise UsageError(
            f"the table has {len(frame)} rows and what was fitted had {rows}; give the table that "
            "it was fitted to, or none"
        )
    return frame


# ------------------------------------------------------------------------------------- a fit


def material_of_fit(result: FitResult, data: Any, options: Options) -> Material:
    """Return what a fit gives: all three parts, curves, and its other network beside it."""
    member = REGULARIZED if options.member is None else options.member
    if member not in _OTHER:
        raise UsageError(f"member is {member}; it is 0 (plain) or 1 (regularized)")
    coding = result.model.target
    network = result.population.take([member])
    predicted = {
        name: _said(predict(network, part.X), part.y, coding, result.places[name])
        for name, part in result.data.items()
    }
    recipe = result.model.facts["recipe"]
    chose = member == REGULARIZED and recipe["patience"] is not None
    at = "test" if chose else "held out"
    training, new = result.data["training"], result.data[at]
    other = _said(predict(result.population.take([1 - member]), new.X), new.y, coding)
    strengths = result.strengths if member == REGULARIZED else Strengths()
    material = Material(
        subject=_name(network),
        task=result.model.task,
        predicted=predicted,
        chose=chose,
        references={_OTHER[member]: other},
        table=_frame(data, sum(map(len, result.places.values()))),
        worst=options.worst,
        seed=options.seed,
        parameters=parameters_of(network),
        curves=curves_of(result.history, member),
        notes=result.notes,
        facts={**result.model.facts, "strengths": asdict(strengths)},
    )
    material = _with_network(material, network, coding, new.X, new.y, at, options)
    epochs = int(result.history.epochs_kept[member])
    return _with_training(material, training.X, training.y, new.X, coding, at, epochs, options)


def _with_network(
    material: Material,
    network: Network,
    coding: Coding,
    X: Tensor,
    y: Tensor,
    part: str,
    options: Options,
) -> Material:
    """Add what the network itself shows on the rows of a part."""
    classes = isinstance(coding, ClassTarget)
    truth = y.numpy() if classes else y.double().numpy()
    masks = compare_subnetworks(network, X, truth, part=part, classes=classes, masks=options.masks)
    return replace(material, layers=layers_of_network(network, X), subnetworks=masks)


def _with_training(
    material: Material,
    X: Tensor,
    y: Tensor,
    X_new: Tensor,
    coding: Coding,
    at: str,
    epochs: int | None,
    options: Options,
) -> Material:
    """Add what training again on the training rows shows: boosting, and shuffled targets."""
    references = dict(material.references)
    if options.reference and BOOSTING not in references:
        new = material.predicted[at]
        found = boosting(X.numpy(), _truth(y, coding), new, X_new.numpy(), seed=options.seed)
        if found is not None:
            references[BOOSTING] = found
    shuffled = None
    if options.shuffled_labels and epochs is not None:
        shuffled = _shuffled(material.facts, X, y, coding, epochs, options.seed)
    return replace(material, references=references, shuffled_labels=shuffled)


def _shuffled(
    facts: Mapping[str, Any], X: Tensor, y: Tensor, coding: Coding, epochs: int, seed: int
) -> ShuffledLabels | None:
    return shuffled_network(
        X,
        y,
        outputs=len(coding.classes) if isinstance(coding, ClassTarget) else 1,
        strengths=Strengths(**facts["strengths"]),
        recipe=facts["recipe"],
        epochs=epochs,
        seed=seed,
    )


# ---------------------------------------------------------------------------------- a search


def material_of_search(found: SearchResult, data: Any, options: Options) -> Material:
    """Return what a search gives: its folds, its test part, and those that it was compared with."""
    seen, coding, network = found.observed, found.model.target, found.model.network
    predicted = {
        "training": _said(predict(network, seen.X), seen.y, coding, seen.places["searched"]),
        "held out": _said(seen.held_out_outputs[None], seen.y, coding, seen.places["searched"]),
        "test": _said(predict(network, seen.X_test), seen.y_test, coding, seen.places["test"]),
    }
    names = {"plain": "no regularization", "boosting": BOOSTING}
    best = found.configurations.iloc[0]
    looks = found.histories[found.histories["id"] == best["id"]]
    within_table = found.model.facts["table"]["split"] == "test part"
    material = Material(
        subject=_name(network),
        task=found.model.task,
        predicted=predicted,
        chose=True,
        fold=seen.fold.numpy() if found.answer != "refit" else None,
        references={
            names[name]: _said(outputs[None], seen.y_test, coding)
            for name, outputs in seen.test_outputs.items()
        },
        table=_frame(data, sum(found.rows.values())) if within_table else None,
        worst=options.worst,
        seed=options.seed,
        parameters=parameters_of(network),
        curves=curves_of_looks(*(looks[name].to_numpy() for name in ("step", "loss", "score"))),
        selection=_selection(found),
        notes=found.notes,
        facts=found.model.facts,
    )
    material = _with_network(material, network, coding, seen.X_test, seen.y_test, "test", options)
    epochs = found.chosen.best_epoch
    return _with_training(material, seen.X, seen.y, seen.X_test, coding, "test", epochs, options)


def _selection(found: SearchResult) -> Selection:
    chosen, honest = found.validation_score, found.test_score
    table = found.configurations
    last = table[table["rung"] == table["rung"].max()]
    folds = last[[name for name in table.columns if name.startswith("fold_")]].to_numpy()
    best = table.iloc[0]
    own = np.array([best[name] for name in table.columns if name.startswith("fold_")], dtype=float)
    finite = np.isfinite(folds.astype(float)).all(1) if folds.size else np.zeros(0, dtype=bool)
    expected = None
    if finite.sum() > 1 and np.isfinite(own).all():
        expected = float((folds[finite].max(0) - own).mean())
    return Selection(
        tried=found.considered,
        scoring=found.scoring,
        validation_score=chosen,
        honest_score=honest,
        optimism=Estimate(chosen - honest.value, chosen - honest.high, chosen - honest.low),
        expected_optimism=expected,
    )


# ----------------------------------------------------------------------------------- a model


def material_of_model(
    model: TableModel, data: Any, training: Any, test: Any, options: Options
) -> Material:
    """Return what a model and tables give.

    The table that it was fitted to is known again, and taken apart as it was then.
    """
    if data is None:
        raise UsageError("a model alone shows no score; give a table as data")
    frame, truth = _columns(model, data, "data")
    facts = model.facts
    stated, notes, tainted = facts.get("table") or {}, list[str](), False
    tables = {"held out": (frame, truth)}
    places: dict[str, Array] = {}
    shown = read_table(data)
    known: dict[str, Part] = {}
    if training is None and test is None and stated.get("fingerprint") == fingerprint(frame, truth):
        places = _parts_again(model, truth)
        tables = {name: (frame.iloc[at], truth.iloc[at]) for name, at in places.items()}
        notes.append("this is the table that the model was fitted to: it was split as it was then")
    else:
        for name, given in (("training", training), ("test", test)):
            if given is not None:
                tables[name] = _columns(model, given, name)
        share = share_of_known_rows(stated, frame, truth)
        tainted = share * stated.get("trained_on", 0) > _FEW_KNOWN * len(truth)
        if tainted:
            notes.append(
                f"the table has {100 * share:.0f} % of a sample of the rows that the model was "
                "trained on: its scores are too good, and tell nothing of the gap"
            )
        if training is None:
            known = _known(facts)
    coded = {name: _coded(model, *each) for name, each in tables.items()}
    predicted = {
        name: _said(predict(model.network, X), y, model.target, places.get(name))
        for name, (X, y) in coded.items()
    }
    material = Material(
        subject=_name(model.network),
        task=model.task,
        predicted=predicted,
        known=known,
        chose=_chose(facts) and bool(places),
        tainted=tainted,
        table=shown,
        worst=options.worst,
        seed=options.seed,
        parameters=parameters_of(model.network),
        notes=tuple(notes),
        facts=facts,
    )
    at = material.measured_on
    X, y = coded[at or "training"]
    material = _with_network(material, model.network, model.target, X, y, at or "training", options)
    if "training" not in coded or at is None:
        return material
    epochs = facts.get("fitted", {}).get("epochs") if "strengths" in facts else None
    return _with_training(material, *coded["training"], X, model.target, at, epochs, options)


def _columns(model: TableModel, table: Any, name: str) -> tuple[pd.DataFrame, pd.Series[Any]]:
    frame = read_table(table)
    if model.target_name not in frame.columns:
        raise DataError(
            f"no column {model.target_name!r}, the model's target, in the table given as {name}; "
            "a diagnosis compares with the truth"
        )
    features, truth = target_column(frame, model.target_name)
    wanted = [column for column in model.encoder.columns if column in features.columns]
    return features[wanted], truth


def _coded(model: TableModel, frame: pd.DataFrame, truth: pd.Series[Any]) -> tuple[Tensor, Tensor]:
    X = torch.from_numpy(model.encoder.transform(frame))
    return X, torch.from_numpy(model.target.transform(truth))


def _parts_again(model: TableModel, truth: pd.Series[Any]) -> dict[str, Array]:
    """Return the rows of each part, as they were split when the model was fitted."""
    facts = model.facts
    codes = model.target.transform(truth) if isinstance(model.target, ClassTarget) else None
    split, seed = facts["table"]["split"], int(facts["seed"])
    if split == "three parts":
        return three_parts(len(truth), codes, seed)
    if split == "test part":
        searched, test = split_rows(len(truth), codes, seed)
        return {"training": searched, "test": test}
    return {"training": np.arange(len(truth))}


def _chose(facts: Mapping[str, Any]) -> bool:
    """Return whether held-out rows of the model's own table chose something."""
    return "answer" in facts or facts.get("recipe", {}).get("patience") is not None


def _known(facts: Mapping[str, Any]) -> dict[str, Part]:
    """Return the parts whose scores the model states."""
    fitted = facts.get("fitted") or {}
    rows = (facts.get("table") or {}).get("trained_on")
    found = {}
    if "diagnosis" in fitted:
        value = float(fitted["diagnosis"]["training"]["value"])
        found["training"] = Part("training", rows, Estimate(value, value, value), None, None)
    if "test" in fitted:
        found["test"] = Part("test", None, Estimate(**fitted["test"]), None, None)
    return found
