"""The tables of a model: split again if it was fitted to one, and checked for known rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bridle.checks.results import CheckResult, failed
from bridle.checks.tables import MOST_KNOWN, copied_rows, known_rows
from bridle.diagnosis.subjects.options import Options
from bridle.errors import DataError, UsageError
from bridle.models.grouping import (
    Grouping,
    grouping_of,
    known_groups,
    not_later,
)
from bridle.models.reading import fitted_by, read_for_model
from bridle.models.row_forms import By, check_rows, forms_of, is_column
from bridle.models.split import split_rows, three_parts
from bridle.models.table_model import TableModel
from bridle.tables import ClassTarget, fingerprint, share_of_known_rows, target_column
from bridle.tables.fingerprint import row_hashes
from bridle.tables.schema import has_target, with_target
from bridle.tables.structure import is_wide

__all__ = ["ModelTables", "joined", "model_tables"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class Part:
    """The features and the target of a part, with the groups and times of its rows."""

    frame: pd.DataFrame
    truth: pd.Series[Any]
    grouping: Grouping | None = None

    def take(self, rows: Array) -> Part:
        """Return some rows."""
        by = None if self.grouping is None else self.grouping.take(rows)
        return Part(self.frame.iloc[rows], self.truth.iloc[rows], by)

    @property
    def groups(self) -> Array | None:
        """The group of each row; None without groups."""
        return None if self.grouping is None else self.grouping.groups


@dataclass(frozen=True, eq=False)
class ModelTables:
    """The rows of each part, and what is known about them.

    ``places`` has row numbers by part if the table is the one that the model was fitted to.
    ``whole`` is then that table. ``contaminated`` says whether many of its training rows are among
    the new rows, and ``checks`` are those of that.
    """

    parts: dict[str, Part]
    places: dict[str, Array] = field(default_factory=dict)
    contaminated: bool = False
    notes: tuple[str, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    whole: Part | None = None


def joined(parts: Sequence[Part]) -> Part:
    """Return the rows of several parts."""
    return Part(
        pd.concat([each.frame for each in parts], ignore_index=True),
        pd.concat([each.truth for each in parts], ignore_index=True),
    )


def model_tables(
    model: TableModel, data: Any, training: Any, test: Any, options: Options
) -> ModelTables:
    """Return the given tables by part; the table of the fit is split into its parts."""
    recorded = model.facts.get("table") or {}
    whole, dropped = _columns(model, data, "data")
    frame, truth = whole.frame, whole.truth
    own_table = recorded.get("fingerprint") == fingerprint(frame, truth)
    if training is None and test is None and own_table:
        by = fitted_by(model, data, options.groups, options.time)
        places = same_parts(model, truth, by)
        part = Part(frame, truth, by)
        parts = {name: part.take(at) for name, at in places.items()}
        note = "this is the table that the model was fitted to; it was split into the same parts"
        return ModelTables(parts, places, notes=(note, *dropped), whole=part)
    return _new_tables(model, {"held out": data, "training": training, "test": test}, options)


def _new_tables(model: TableModel, tables: Mapping[str, Any], options: Options) -> ModelTables:
    recorded = model.facts.get("table") or {}
    column = ((recorded.get("grouping") or {}).get("groups") or {}).get("column")
    when = ((recorded.get("grouping") or {}).get("time") or {}).get("column")
    if options.time is not None:
        raise UsageError(
            "time is given, but this is not the table that the model was fitted to, and only its "
            "rows are split; leave it out"
        )
    if isinstance(options.groups, Mapping):
        raise UsageError(
            "groups is a mapping, which is for arrays; give the name of a column of the tables, or "
            "a value for each row of data"
        )
    check_rows(tables["held out"], options.groups, None)
    parts, notes = {}, []
    for name, table in tables.items():
        if table is None:
            continue
        by = options.groups if options.groups is not None else column
        if by is not None and not is_column(by) and name != "held out":
            by = None  # values are those of the first table
        read = read_for_model(model, table, kept_apart=True)
        if by is column and by is not None and column not in read.frame.columns:
            notes.append(
                f"the model was fitted with the groups of {column!r}, which the {name} rows lack: "
                "the intervals take each row as a group of its own"
            )
            by = None
        time = when if when in read.frame.columns else None
        parts[name], dropped = _columns(model, read, name, groups=by, time=time)
        notes += [f"{name} rows: {note}" for note in dropped]
        notes += _untold(model, parts[name], name)
    shared = _shared(parts, model)
    trouble, checks = _known_rows(model, parts["held out"], parts.get("training"))
    checks += [failed("BR013", shared)] if shared else []
    if "test" in parts and (late := not_later(model.facts, parts["test"].grouping)):
        notes.append(f"test rows: {late}")
    late = not_later(model.facts, parts["held out"].grouping)
    notes += [each for each in (late, shared or trouble) if each]
    return ModelTables(
        parts, contaminated=bool(shared or trouble), notes=tuple(notes), checks=tuple(checks)
    )


def _untold(model: TableModel, part: Part, name: str) -> list[str]:
    """Return notes on what cannot be told of the rows of a table, because of how it is written."""
    recorded, by = (model.facts.get("table") or {}).get("grouping") or {}, part.grouping
    notes = []
    if by is not None and not by.same_form and not known_groups(model.facts, by):
        said = "groups" if by.group_column is None else f"groups of {by.group_column!r}"
        notes.append(
            f"the {said} in the {name} rows are written in another form than in training, so that "
            "it cannot be told whether the model was trained on them; write them as in the table "
            "that it was fitted to"
        )
    lacking = by is None or by.groups is None
    unnamed = "groups" in recorded and recorded["groups"].get("column") is None
    if unnamed and lacking and name != "training":
        notes.append(
            f"the model was fitted with groups given as values, and the {name} rows have none: the "
            "intervals take each row as a group of its own; give groups"
        )
    if "time" in recorded and name != "training" and (by is None or by.times is None):
        column = recorded["time"].get("column")
        said = "given as values" if column is None else f"of {column!r}, which these rows lack"
        notes.append(
            f"the model was fitted in order of times {said}: it cannot be told whether the {name} "
            "rows are later than its training rows"
        )
    return notes


def _known_rows(
    model: TableModel, new: Part, training: Part | None
) -> tuple[str, list[CheckResult]]:
    """Return what is wrong if many of the new rows are training rows, else nothing; and BR011.

    The training rows are those that are given, if they have all of the recorded sample. The number
    is then exact. Else it follows from the sample. Where other training rows are given and the
    sample shows nothing, BR011 is that of the given rows.
    """
    recorded, rows = model.facts.get("table") or {}, len(new.truth)
    sampled = len(recorded.get("sample", ()))
    if not sampled:
        return "", []
    own = training is not None and (
        share_of_known_rows(recorded, training.frame, training.truth) == 1
    )
    if own and training is not None and is_wide(new.frame):
        hashes = row_hashes(training.frame, training.truth)
        copies = int(np.isin(row_hashes(new.frame, new.truth), hashes).sum())
        known, check, how = float(copies), copied_rows(copies, rows), ""
    else:
        found = round(share_of_known_rows(recorded, new.frame, new.truth) * sampled)
        known = min(found / sampled * recorded["trained_on"], rows)
        check = known_rows(found, sampled, recorded["trained_on"], rows)
        how = f" ({found} of a sample of {sampled} of its training rows are here)"
    checks = [check] if training is None or own or check.outcome == "failed" else []
    if known <= MOST_KNOWN * rows:
        return "", checks
    about = "about " if how else ""
    return (
        f"{about}{known:,.0f} of the {rows:,} rows of this table are rows that the model was "
        f"trained on{how}, so the gap cannot be judged; give rows that it has not seen"
    ), checks


def _shared(parts: Mapping[str, Part], model: TableModel) -> str:
    """Return what is wrong if groups of the new rows are training groups, else nothing."""
    new = parts["held out"].grouping
    if new is None or new.groups is None:
        return ""
    names = {new.names[code] for code in np.unique(new.groups)}
    known = parts["training"].grouping if "training" in parts else None
    if known is not None and known.groups is not None:
        both: float = len(names & {known.names[code] for code in np.unique(known.groups)})
        said = f"{both} of the {len(names)} groups"
    else:
        recorded = ((model.facts.get("table") or {}).get("grouping") or {}).get("groups") or {}
        both = known_groups(model.facts, new) * recorded.get("trained_on", 0)
        said = f"about {both:,.0f} of the {len(names):,} groups"
    if both <= 0:
        return ""
    return (
        f"{said} of this table are groups that the model was trained on, so the gap cannot be "
        "judged; give rows of groups that it has not seen"
    )


def _columns(
    model: TableModel, table: Any, name: str, groups: By = None, time: By = None
) -> tuple[Part, list[str]]:
    """Return the rows that have a target, and a remark on the others."""
    read, target = read_for_model(model, table, kept_apart=True), model.target_name
    if target not in read.frame.columns:
        raise DataError(
            f"no column {target!r}, the model's target, in the table given as {name}; "
            "add it, because a diagnosis needs the true targets"
        )
    kept = has_target(read.frame, target)
    whole, notes = with_target(read.frame, target)
    features, truth = target_column(whole, target)
    forms = forms_of(model.facts)
    grouping, doubts = grouping_of(read, kept, groups, time, target=target, forms=forms)
    wanted = [column for column in model.encoder.columns if column in features.columns]
    return Part(features[wanted], truth, grouping), [*notes, *doubts]


def same_parts(model: TableModel, truth: pd.Series[Any], by: Grouping | None) -> dict[str, Array]:
    """Return the rows of each part, split as for the fit."""
    facts = model.facts
    codes = model.target.transform(truth) if isinstance(model.target, ClassTarget) else None
    split, seed = facts["table"]["split"], int(facts["seed"])
    if split == "three parts":
        return three_parts(len(truth), codes, seed, by)
    if split == "test part":
        searched, test = split_rows(len(truth), codes, seed, by)
        return {"training": searched, "test": test}
    return {"training": np.arange(len(truth))}
