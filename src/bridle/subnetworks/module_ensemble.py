"""The mean over many subnetworks of any module, with bridle's noises or torch's own dropout."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.rnn import PackedSequence
from torch.utils import _pytree as pytree

from bridle.errors import UsageError
from bridle.networks.objectives import Objective
from bridle.subnetworks.moments import EnsemblePrediction, Mean, Moments, is_classification
from bridle.subnetworks.noise_mode import NoiseMode
from bridle.subnetworks.placed_noises import PlacedNoises
from bridle.subnetworks.switching import switch_on
from bridle.subnetworks.unchanged import in_evaluation, seed_everything, uncompiled

__all__ = ["predict_module"]


@dataclass(frozen=True)
class _Batch:
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    start: int
    rows: int


Arguments = tuple[tuple[Any, ...], dict[str, Any]]
Output = Callable[[Any], Tensor]


def predict_module(
    model: nn.Module,
    X: Any,
    numbers: Sequence[int],
    mean: Mean,
    objective: str | Objective,
    seed: int,
    output: Output | None,
    class_axis: int | None,
) -> EnsemblePrediction:
    """Return the mean over subnetworks; see :func:`bridle.predict_ensemble`."""
    classification = is_classification(objective, mean)
    if isinstance(model, nn.DataParallel):  # its threads would not see the mode
        model = model.module
    if any(map(is_lazy, (*model.parameters(), *model.buffers()))):
        raise UsageError(
            f"{type(model).__name__} has lazy parameters without values: run it on a batch first"
        )
    pick = output or _tensor_of
    placed = PlacedNoises(model)
    mode = NoiseMode(seed, placed.streams)
    parts: list[tuple[Moments, torch.Size]] = []
    moved, start, first = False, 0, True
    with ExitStack() as stack:
        stack.enter_context(in_evaluation(model))
        stack.enter_context(uncompiled())
        stack.enter_context(placed.switched_on())
        for args, kwargs in _batches(model, X):
            rows = _rows(args, kwargs)

            at = _Batch(args, kwargs, start, rows)

            def run(k: int = numbers[0], at: _Batch = at) -> Tensor:
                seed_everything(seed, k, at.start)
                mode.begin(k, at.start, at.rows)
                placed.begin(k, at.start, at.rows)
                with mode:
                    return _checked(pick(model(*at.args, **at.kwargs)))

            if first:
                switch_on(model, mode, placed, run)
                first = False
            moments, kept = Moments(classification=classification), None
            for k in numbers:
                scores = run(k)
                kept = scores.clone() if kept is None else kept
                moved = moved or not torch.equal(scores, kept)
                flat, shape = _scores(scores, classification, class_axis)
                moments.add(flat)
            parts.append((moments, shape))
            start += rows
    if first:
        raise UsageError("X has no batches; give a batch, or an iterable of them")
    if len(numbers) > 1 and not moved:
        raise UsageError(
            f"all {len(numbers)} subnetworks of {type(model).__name__} gave the same outputs: its "
            "noise has no effect on them; check the rates, and for scheduled noise give the steps "
            "at which it acts, such as k=range(1000, 1050)"
        )
    return _joined(parts, mean, classification, len(numbers), start)


def _joined(
    parts: list[tuple[Moments, torch.Size]],
    mean: Mean,
    classification: bool,
    count: int,
    rows: int,
) -> EnsemblePrediction:
    if len(parts) > 1 and sum(shape[0] for _, shape in parts if shape) != rows:
        raise UsageError(
            f"the outputs of the batches, such as {list(parts[0][1])}, do not have the examples on "
            "the first axis, so they cannot be joined: give one batch"
        )

    def join(of: Callable[[Moments], Tensor], axes: int) -> Tensor:
        found = [of(each).reshape(shape[: len(shape) - axes]) for each, shape in parts]
        return torch.cat(found) if len(found) > 1 else found[0]

    entropies: list[Tensor | None] = [None, None]
    if classification:
        entropies = [join(lambda each: each.entropies()[0], 1)]
        entropies.append(join(lambda each: each.entropies()[1], 1))
    return EnsemblePrediction(
        mean=join(lambda each: each.mean(mean), 0),
        std=join(Moments.std, 0),
        entropy=entropies[0],
        mutual_information=entropies[1],
        subnetworks=count,
    )


def _scores(
    scores: Tensor, classification: bool, class_axis: int | None
) -> tuple[Tensor, torch.Size]:
    """Return scores as ``[1, outputs, rows]``, and their shape with the classes last."""
    if not classification:
        return scores.reshape(1, 1, -1), scores.shape
    if class_axis is None and scores.ndim > 3:
        raise UsageError(
            f"the model's output has the shape {list(scores.shape)}, so the axis of the classes is "
            "not clear: give class_axis=1 for [rows, classes, ...], or class_axis=-1"
        )
    axis = -1 if class_axis is None else class_axis
    if not -scores.ndim <= axis < scores.ndim or scores.shape[axis] == 1 or scores.ndim == 1:
        raise UsageError(
            f"the model's output has the shape {list(scores.shape)}, without several classes on "
            f"axis {axis}: give objective='squared_error' for regression; for one binary score z, "
            "give output=lambda z: torch.cat([torch.zeros_like(z), z], -1)"
        )
    last = scores.movedim(axis, -1)
    sums = last.double().sum(-1)
    if bool((last >= 0).all()) and bool(((sums - 1).abs() < 1e-3).all()):
        raise UsageError(
            "the model's outputs are probabilities, but class scores (logits) are needed: give "
            "output=lambda probabilities: probabilities.log()"
        )
    return last.reshape(-1, last.shape[-1]).T[None], last.shape


def _checked(found: Any) -> Tensor:
    if not isinstance(found, Tensor) or not found.is_floating_point():
        raise UsageError(
            f"output returned {type(found).__name__}; it must return a floating-point tensor"
        )
    return found


def _tensor_of(found: Any) -> Tensor:
    """Return the tensor of a model's output: itself, the first of a tuple, or the logits."""
    if isinstance(found, PackedSequence):
        return found.data
    if isinstance(found, Mapping):
        tensors = [
            each for each in found.values() if isinstance(each, Tensor) and each.is_floating_point()
        ]
        chosen = found.get("logits", tensors[0] if len(tensors) == 1 else None)
    elif hasattr(found, "logits"):
        chosen = found.logits
    else:
        chosen = found[0] if isinstance(found, tuple | list) and found else found
    if not isinstance(chosen, Tensor) or not chosen.is_floating_point():
        raise UsageError(
            f"the model returned a {type(found).__name__}, whose scores are not clear: give "
            "output=, a function that takes it and returns the tensor, such as "
            "output=lambda out: out.last_hidden_state"
        )
    return chosen


def _rows(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Return the number of examples of a batch: the first axis of its first tensor."""
    first = next((x for x in pytree.tree_leaves((args, kwargs)) if isinstance(x, Tensor)), None)
    return 0 if first is None or first.ndim == 0 or first.is_nested else first.shape[0]


def _batches(model: nn.Module, X: Any) -> Iterator[Arguments]:
    """Return the arguments of the model for each batch, on its device."""
    devices = {value.device for value in (*model.parameters(), *model.buffers())}

    def place(x: Any) -> Any:
        if len(devices) == 1 and isinstance(x, Tensor | PackedSequence):
            return x.to(next(iter(devices)))  # type: ignore[arg-type]
        return x

    def put(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
        return pytree.tree_map(place, (args, dict(kwargs)))

    if isinstance(X, Tensor | PackedSequence):
        yield put((X,), {})
    elif isinstance(X, Mapping):
        yield put((), X)
    elif isinstance(X, tuple):
        yield put(X, {})
    elif isinstance(X, Iterable):
        for batch in X:
            if isinstance(batch, Mapping):
                yield put((), batch)
            elif isinstance(batch, tuple | list) and not isinstance(batch, PackedSequence):
                yield put(_arguments(model, batch), {})
            else:
                yield put((batch,), {})
    else:
        raise UsageError(
            f"X is a {type(X).__name__}; give a tensor, a tuple or a mapping of the model's "
            "arguments, or an iterable of such batches"
        )


def _arguments(model: nn.Module, batch: Sequence[Any]) -> tuple[Any, ...]:
    """Return the model's arguments in a batch of a data loader, which may have targets, too."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wanted = list(inspect.signature(model.forward).parameters.values())
    places = [each for each in wanted if each.kind in kinds]
    needed = sum(each.default is each.empty for each in places)
    variadic = any(each.kind is each.VAR_POSITIONAL for each in wanted)
    if len(batch) == max(needed, 1) or (needed == len(places) < len(batch) and not variadic):
        return tuple(batch[: max(needed, 1)])
    raise UsageError(
        f"a batch has {len(batch)} parts, and forward of {type(model).__name__} needs {needed}, so "
        "it is not clear which of them it takes: give batches that are mappings of its arguments"
    )
