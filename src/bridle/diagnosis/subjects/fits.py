"""Measurements of the result of a fit."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from bridle.diagnosis.assemble import Measurements
from bridle.diagnosis.curves import curves_of
from bridle.diagnosis.subjects.audits import audited
from bridle.diagnosis.subjects.networks import (
    fitted_table,
    network_name,
    predictions_of,
    with_network,
    with_training,
)
from bridle.diagnosis.subjects.options import Options
from bridle.diagnosis.subjects.weights import parameters_of
from bridle.errors import UsageError
from bridle.models.credit import early_stopping_of
from bridle.models.fit import OTHER, REGULARIZED
from bridle.models.grouping import groups_of
from bridle.models.recipe import Strengths
from bridle.models.result import FitResult
from bridle.networks.population import predict

__all__ = ["measure_fit"]


def measure_fit(result: FitResult, data: Any, options: Options) -> Measurements:
    """Return the measurements of a fit; its other network is a reference."""
    member = REGULARIZED if options.member is None else options.member
    if member not in OTHER:
        raise UsageError(f"member is {member}; it must be 0 (plain) or 1 (regularized)")
    coding = result.model.target
    network = result.population.take([member])
    predicted = {
        name: predictions_of(
            predict(network, part.X),
            part.y,
            coding,
            result.places[name],
            groups_of(result.grouping, result.places[name]),
        )
        for name, part in result.data.items()
    }
    at = "test"  # the rows of the fit's own verdict: early stopping used the held-out ones
    training, new = result.data["training"], result.data[at]
    outputs = predict(result.population.take([1 - member]), new.X)
    other = predictions_of(outputs, new.y, coding, groups=predicted[at].groups)
    strengths = result.strengths if member == REGULARIZED else Strengths()
    measured = Measurements(
        subject=network_name(network),
        task=result.model.task,
        predicted=predicted,
        selected=True,
        references={OTHER[member]: other},
        table=fitted_table(data, sum(map(len, result.places.values())), result.model),
        worst=options.worst,
        seed=options.seed,
        parameters=parameters_of(network),
        curves=curves_of(result.history, member),
        notes=result.notes,
        facts={**result.model.facts, "strengths": asdict(strengths)},
        checks=result.table_checks,
    )
    if member == REGULARIZED:
        share = result.regularized.diagnosis.is_share
        own = [early_stopping_of(result.model.facts, share=share), *audited(result.model, options)]
        measured = replace(measured, checks=(*measured.checks, *own))
    measured = with_network(measured, network, coding, new.X, new.y, at, options)
    epochs = int(result.history.epochs_kept[member])
    return with_training(measured, training.X, training.y, new.X, coding, at, epochs, options)
