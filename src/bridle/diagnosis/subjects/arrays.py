"""Measurements of subjects with arrays: scikit-learn estimators, torch modules, functions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import is_classifier, is_regressor
from sklearn.model_selection import KFold, StratifiedKFold, cross_validate
from torch import Tensor, nn

from bridle.diagnosis.assemble import Measurements
from bridle.diagnosis.predictions import Predictions
from bridle.diagnosis.subjects.array_groups import folds_by, groups_of_arrays, shared_groups
from bridle.diagnosis.subjects.audits import audited
from bridle.diagnosis.subjects.options import Options
from bridle.diagnosis.subjects.references import BOOSTING, boosting
from bridle.diagnosis.subjects.rows import checks_of_rows
from bridle.diagnosis.subjects.shuffled_labels import shuffled_estimator
from bridle.diagnosis.subjects.subnetworks import compare_subnetworks
from bridle.diagnosis.subjects.weights import layers_of_network
from bridle.diagnosis.subjects.weights_of_subject import layers_of_subject, parameters_of_subject
from bridle.errors import DataError, UsageError
from bridle.models.table_model import TableModel
from bridle.networks.population import Network, predict

__all__ = ["is_estimator", "measure_arrays"]

Array = np.ndarray[Any, np.dtype[Any]]

_TUPLE = "give (X, y): inputs and true targets"
_ROWS_AT_ONCE = 4096


def is_estimator(subject: Any) -> bool:
    """Return whether a subject has ``predict`` and is not a torch module."""
    return hasattr(subject, "predict") and not isinstance(subject, nn.Module)


def measure_arrays(
    subject: Any, data: Any, training: Any, test: Any, options: Options
) -> Measurements:
    """Return the measurements of a subject that predicts from arrays or DataFrames."""
    given = {"training": training, "held out": data, "test": test}
    pairs = {name: _pair(name, each) for name, each in given.items() if each is not None}
    if not pairs:
        raise UsageError(f"there are no rows to diagnose {_name(subject)} on; {_TUPLE}")
    labels = _labels(subject, [y for _, y in pairs.values()])
    groups = groups_of_arrays(options, {name: len(y) for name, (_, y) in pairs.items()}, given)
    predicted = {
        name: replace(_predicted(subject, X, y, labels, name), groups=groups.get(name))
        for name, (X, y) in pairs.items()
    }
    shared = shared_groups(groups)
    at = next((name for name in ("held out", "test") if name in predicted), None)
    measured = Measurements(
        subject=_name(subject),
        task="regression" if labels is None else "classification",
        predicted=predicted,
        contaminated=bool(shared),
        notes=(shared,) if shared else (),
        table=pairs[at][0] if at and isinstance(pairs[at][0], pd.DataFrame) else None,
        worst=options.worst,
        seed=options.seed,
        parameters=parameters_of_subject(subject),
        layers=layers_of_subject(subject),
        checks=(
            *checks_of_rows(
                pairs[at] if at else None,
                pairs.get("training"),
                shared=shared if options.groups is not None else None,
                ordered=options.time is not None,
            ),
            *audited(getattr(subject, "model_", None), options),
        ),
    )
    part = at or "training"
    network_and_inputs = _network_of(subject, pairs[part][0])
    if network_and_inputs is not None:
        network, inputs = network_and_inputs
        classes, truth = labels is not None, predicted[part].truth
        model = getattr(subject, "model_", None)
        masks = compare_subnetworks(
            network,
            inputs,
            truth,
            part=part,
            classes=classes,
            masks=options.masks,
            temperature=model.temperature if isinstance(model, TableModel) else 1.0,
        )
        measured = replace(measured, layers=layers_of_network(network, inputs), subnetworks=masks)
    if "training" not in pairs or at is None:
        return measured
    return _with_training(subject, measured, pairs["training"], pairs[at][0], at, labels, options)


def _with_training(
    subject: Any,
    measured: Measurements,
    training: tuple[Any, Array],
    X_new: Any,
    at: str,
    labels: tuple[Any, ...] | None,
    options: Options,
) -> Measurements:
    """Add what needs fitting: gradient boosting, shuffled labels and folds."""
    X, y = training
    references, notes = {}, list(measured.notes)
    if options.reference:
        flat, flat_new = _numerical(X), _numerical(X_new)
        if flat is None or flat_new is None:
            notes.append(
                "no comparison with gradient boosting: the inputs are not a numerical table"
            )
        else:
            truth = measured.predicted["training"].truth
            new = measured.predicted[at]
            divisible = options.groups is None and options.time is None
            seed = options.seed
            found = boosting(flat, truth, new, flat_new, seed=seed, divisible=divisible)
            if found is not None:
                references[BOOSTING] = found
    shuffled = None
    folds: tuple[float, ...] = ()
    if is_estimator(subject) and hasattr(subject, "fit") and hasattr(subject, "get_params"):
        if options.shuffled_labels:
            shuffled = shuffled_estimator(subject, X, y, seed=options.seed)
        if options.folds is not None:
            groups = measured.predicted["training"].groups
            by = folds_by(options, groups, y, classes=labels is not None)
            folds = _fold_gaps(subject, X, y, labels is not None, options, by)
    elif options.folds is not None:
        raise UsageError(
            f"folds is {options.folds}, but {measured.subject} cannot be fitted again; leave it out"
        )
    return replace(
        measured,
        references=references,
        shuffled_labels=shuffled,
        fold_gaps=folds,
        notes=tuple(notes),
    )


def _fold_gaps(
    estimator: Any, X: Any, y: Array, classes: bool, options: Options, by: Any
) -> tuple[float, ...]:
    """Return the gap of each fold, from cross-validation with clones."""
    kind: Any = StratifiedKFold if classes else KFold
    found = cross_validate(
        estimator,
        X,
        y,
        cv=by or kind(options.folds, shuffle=True, random_state=options.seed),
        scoring="accuracy" if classes else "r2",
        return_train_score=True,
        error_score="raise",
    )
    return tuple((found["train_score"] - found["test_score"]).tolist())


# ----------------------------------------------------------------------------- rows and truth


def _pair(name: str, given: Any) -> tuple[Any, Array]:
    """Return inputs and targets, after checking that they have the same number of rows."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise UsageError(f"{name} is a {type(given).__name__}; {_TUPLE}")
    X, y = given
    truth = y.detach().cpu().numpy() if isinstance(y, Tensor) else np.asarray(y)
    rows = len(X) if hasattr(X, "__len__") and not hasattr(X, "shape") else X.shape[0]
    if truth.ndim != 1 or len(truth) != rows or not rows:
        raise UsageError(
            f"{name} has {rows} rows of inputs and a target of shape {list(truth.shape)}; "
            "give one value or class for each row, and at least one row"
        )
    if isinstance(X, list):
        X = np.asarray(X)
    if truth.dtype.kind == "f" and not np.isfinite(truth).all():
        place = int(np.flatnonzero(~np.isfinite(truth))[0])
        raise DataError(f"the target of {name}, row {place}, is {truth[place]}; leave the row out")
    return X, truth


def _labels(subject: Any, truths: list[Array]) -> tuple[Any, ...] | None:
    """Return the classes in the order of the subject's outputs, or None for regression."""
    known = getattr(subject, "classes_", None)
    tagged = hasattr(subject, "__sklearn_tags__")
    if tagged and is_regressor(subject):
        return None
    if known is not None:
        return tuple(np.asarray(known).tolist())
    if all(truth.dtype.kind == "f" for truth in truths) and not (tagged and is_classifier(subject)):
        return None
    seen = np.unique(np.concatenate(truths))
    if seen.dtype.kind in "iub":
        return tuple(range(int(seen.max()) + 1))
    return tuple(seen.tolist())


def _codes(y: Array, labels: tuple[Any, ...], name: str) -> Array:
    place = {label: code for code, label in enumerate(labels)}
    strange = [label for label in y.tolist() if label not in place]
    if strange:
        raise DataError(
            f"the class {strange[0]!r} in {name} is not a class of the model "
            f"({', '.join(map(repr, labels[:8]))}); leave those rows out"
        )
    return np.array([place[label] for label in y.tolist()], dtype=np.int64)


def _predicted(
    subject: Any, X: Any, y: Array, labels: tuple[Any, ...] | None, name: str
) -> Predictions:
    outputs = _outputs(subject, X, labels)
    if len(outputs) != len(y):
        raise UsageError(
            f"{_name(subject)} gave {len(outputs)} predictions for the {len(y)} rows of {name}; "
            "it must give one per row"
        )
    if labels is None:
        values = np.asarray(outputs, dtype=np.float64)
        if values.size != len(y):
            raise UsageError(
                f"{_name(subject)} gave outputs of shape {list(values.shape)} for regression; it "
                "must give one number per row (for classification, give integers as targets)"
            )
        return Predictions(y.astype(np.float64), values.reshape(-1))
    codes = _codes(y, labels, name)
    if outputs.ndim == 2 and outputs.shape[1] > 1:
        return Predictions.of_probabilities(codes, _probabilities(outputs, labels, subject), labels)
    flat = outputs.reshape(-1)
    if flat.dtype.kind == "f" and len(labels) == 2 and not np.isin(flat, labels).all():
        ones = flat if ((flat >= 0) & (flat <= 1)).all() else _sigmoid(flat)
        return Predictions.of_probabilities(codes, np.stack([1 - ones, ones], 1), labels)
    return Predictions(codes, _codes(flat, labels, f"the predictions for {name}"), None, labels)


def _probabilities(outputs: Array, labels: tuple[Any, ...], subject: Any) -> Array:
    """Return probabilities: as given, or the softmax of logits."""
    found = outputs.astype(np.float64)
    if found.shape[1] < len(labels):
        raise UsageError(
            f"{_name(subject)} gives {found.shape[1]} outputs, but there are {len(labels)} "
            "classes; give the targets as codes from 0, one for each output"
        )
    if (found >= 0).all() and np.allclose(found.sum(1), 1, atol=1e-3):
        return found / found.sum(1, keepdims=True)
    powers = np.exp(found - found.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def _sigmoid(scores: Array) -> Array:
    return 1 / (1 + np.exp(-scores))


# ------------------------------------------------------------------------------ what predicts


def _outputs(subject: Any, X: Any, labels: tuple[Any, ...] | None) -> Array:
    """Return a subject's outputs for rows: classes, probabilities, logits or values."""
    if isinstance(subject, Network):
        found = predict(subject, torch.as_tensor(X, dtype=subject.weights[0].dtype)).double()
        outputs = found.mean(0) if labels is None else found.softmax(-1).mean(0)
        return (outputs[:, 0] if labels is None else outputs).numpy()
    if isinstance(subject, nn.Module):
        return _module_outputs(subject, X)
    if is_estimator(subject):
        if labels is not None and hasattr(subject, "predict_proba"):
            return np.asarray(subject.predict_proba(X))
        return np.asarray(subject.predict(X))
    found = subject(X)
    return found.detach().cpu().numpy() if isinstance(found, Tensor) else np.asarray(found)


@torch.no_grad()
def _module_outputs(model: nn.Module, X: Any) -> Array:
    """Return a module's outputs in evaluation mode, on its own device; its mode is restored."""
    first = next(model.parameters(), None)
    inputs = torch.as_tensor(X)
    if first is not None:
        inputs = inputs.to(first.device)
        inputs = inputs.to(first.dtype) if inputs.is_floating_point() else inputs
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        parts = [model(part) for part in inputs.split(_ROWS_AT_ONCE)]
    finally:
        for module, mode in modes.items():
            module.training = mode
    return torch.cat(parts).detach().cpu().double().numpy()


def _numerical(X: Any) -> Array | None:
    """Return the inputs as a numerical array for gradient boosting, or None."""
    if isinstance(X, Tensor):
        X = X.detach().cpu().numpy()
    if isinstance(X, pd.DataFrame):
        if not all(pd.api.types.is_numeric_dtype(kind) for kind in X.dtypes):
            return None
        X = X.to_numpy(dtype=np.float64)
    if not isinstance(X, np.ndarray) or X.dtype.kind not in "fiub":
        return None
    return X.reshape(len(X), -1)


def _network_of(subject: Any, X: Any) -> tuple[Network, Tensor] | None:
    """Return the network of a subject and its inputs for the rows, or None."""
    if isinstance(subject, Network):
        return subject, torch.as_tensor(X, dtype=subject.weights[0].dtype)
    encoder, model = getattr(subject, "encoder_", None), getattr(subject, "model_", None)
    if isinstance(model, TableModel):
        network = model.network
    elif hasattr(subject, "to_network"):
        network = subject.to_network()
    else:
        return None
    if hasattr(subject, "indicated_features_"):
        X = subject._validate_for_predict(X)  # imputed, with missing indicators
    if encoder is not None:
        if not isinstance(X, pd.DataFrame):
            return None
        X = encoder.transform(X)
    flat = _numerical(X)
    return (
        None if flat is None else (network, torch.as_tensor(flat, dtype=network.weights[0].dtype))
    )


def _name(subject: Any) -> str:
    if isinstance(subject, Network):
        return "network " + "-".join(map(str, subject.sizes))
    if is_estimator(subject) or isinstance(subject, nn.Module):
        return type(subject).__name__
    return str(getattr(subject, "__name__", type(subject).__name__))
