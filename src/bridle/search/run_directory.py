"""The run directory: a search's results as they arrive, so that it can be resumed.

- ``plan.json``: the plan, a hash of the data, and the decisions that depended on time.
- ``job-<rung>-<first trial>.json``: the evaluations of a job.
- ``state-<rung>-<trial>.safetensors``: the state of a trial that may still be promoted.

Every file is written atomically.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save

from bridle.errors import DataError, UsageError
from bridle.models.atomic_write import write_atomically
from bridle.search.data import SearchData
from bridle.search.job import Job, Runner, TrialResult
from bridle.search.plan import Plan

__all__ = ["RunDirectory", "data_fingerprint"]

FORMAT, EMBEDDING_FORMAT = 1, 2
"""Of a search whose space has no embeddings of numbers, and of one whose space has them."""
_RESULT_FIELDS = ("id", "steps", "scores", "losses", "fold_scores")
_KEYS_OF_PLAN = {
    "trials_per_job": "together",
    "evaluations": "looks",
    "job_cost": "fixed",
    "evaluation_cost": "looking",
}
"""The keys in ``plan.json`` that differ from the plan's fields; they are part of the format."""


def data_fingerprint(data: SearchData) -> str:
    """Return a hash of the rows and folds that a search trains on."""
    digest = hashlib.sha256()
    for bins, rows in sorted(data.inputs.items()):
        digest.update(f"{bins} {list(rows.shape)}".encode())
        digest.update(rows.contiguous().numpy().tobytes())
    digest.update(data.y.numpy().tobytes())
    digest.update(data.fold.numpy().tobytes())
    if data.trained is not None:
        digest.update(data.trained.numpy().tobytes())
    return digest.hexdigest()[:16]


class RunDirectory:
    """A run directory, new or to be resumed.

    Parameters
    ----------
    folder : Path
    resume : bool
        Whether the folder must hold a search already, or must not.

    Raises
    ------
    UsageError
        If the folder holds a search and ``resume`` is False.
    DataError
        If there is no search to resume, or the folder cannot be created.
    """

    def __init__(self, folder: Path, *, resume: bool) -> None:
        self.folder = folder
        self.path = folder / "plan.json"
        if self.path.exists() and not resume:
            raise UsageError(
                f"{folder} already holds a search: resume it, or give another directory"
            )
        if resume and not self.path.exists():
            raise DataError(
                f"there is no search to resume in {folder}: it has no plan.json; "
                "give the directory of a search"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"cannot create the directory {folder}: {error.strerror}") from error
        self.document: dict[str, Any] = {}
        if resume:
            self.document = json.loads(self.path.read_text(encoding="utf-8"))
            if self.document.get("format") not in (FORMAT, EMBEDDING_FORMAT):
                raise DataError(
                    f"{self.path} has format {self.document.get('format')}, but this version of "
                    f"bridle resumes the formats {FORMAT} and {EMBEDDING_FORMAT}; use the version "
                    "that wrote it"
                )

    @property
    def asked(self) -> dict[str, Any]:
        """The settings of the stored search.

        Earlier versions stored none, or neither shared members nor embeddings.
        """
        embeddings = self.document["format"] == EMBEDDING_FORMAT
        return {"shared_members": 1, "embeddings": embeddings} | self.document.get("asked", {})

    @property
    def bins(self) -> int | None:
        """The bins of the stored search; None if there is none, or an earlier version began it."""
        return self.document.get("bins")

    def start(
        self,
        plan: Plan,
        data: str,
        budget: float | None,
        asked: Mapping[str, Any],
        *,
        bins: int = 0,
    ) -> None:
        """Write the plan of a new search, and the settings that it was made for."""
        values = {_KEYS_OF_PLAN.get(name, name): value for name, value in asdict(plan).items()}
        self.document = {
            "format": EMBEDDING_FORMAT if asked.get("embeddings") else FORMAT,
            "data": data,
            "bins": bins,
            "budget": budget,
            "asked": dict(asked),
            "plan": values,
            "decided": {},
        }
        self._write_document()

    def check_asked(self, **given: Any) -> None:
        """Compare the settings that are given for a resumed search with those that it has.

        Raises
        ------
        UsageError
            If one of them, other than None, is another.
        """
        asked = self.asked
        for name, value in given.items():
            if value is not None and name in asked and asked[name] != value:
                raise UsageError(
                    f"{name} is {value!r}, but the search in {self.folder} has {asked[name]!r} and "
                    f"keeps it; leave {name} out, or start a search in another directory"
                )

    def resume(self, data: str) -> tuple[Plan, float | None]:
        """Return the plan and the budget in seconds of the search to resume.

        Raises
        ------
        UsageError
            If the search was on other data.
        """
        if self.document["data"] != data:
            raise UsageError(
                f"{self.folder} holds a search on other data or folds: resume with the same "
                "table and arguments, and the version of bridle that began it"
            )
        fields = {key: name for name, key in _KEYS_OF_PLAN.items()}
        values = {fields.get(key, key): each for key, each in self.document["plan"].items()}
        return Plan(**values | {"steps": tuple(values["steps"])}), self.document["budget"]

    @property
    def scoring(self) -> str:
        """The score that the stored search selects by."""
        return str(self.document["plan"]["scoring"])

    @property
    def seconds(self) -> float:
        """The seconds of all jobs that are done."""
        files = self.folder.glob("job-*.json")
        return sum(json.loads(path.read_text(encoding="utf-8"))["seconds"] for path in files)

    def decide(self, what: str, value: int) -> int:
        """Return the stored decision; if there is none, store ``value`` and return it."""
        decided = self.document["decided"]
        if what not in decided:
            decided[what] = value
            self._write_document()
        return int(decided[what])

    def decision(self, what: str) -> int | None:
        """Return the stored decision, or None."""
        return self.document["decided"].get(what)

    def caching(self, run: Runner) -> Runner:
        """Return a runner that reads jobs that are done from the directory, and adds the others."""

        def cached(jobs: Iterator[Job]) -> Iterator[tuple[list[TrialResult], float]]:
            done: list[tuple[list[TrialResult], float]] = []
            sent: dict[tuple[int, ...], Job] = {}

            def missing() -> Iterator[Job]:
                for job in jobs:
                    found = self._read_job(job)
                    if found is not None:
                        done.append(found)
                    else:
                        sent[job.ids] = job
                        yield job

            for results, seconds in run(missing()):
                while done:
                    yield done.pop(0)
                self._write_job(sent.pop(tuple(each.id for each in results)), results, seconds)
                yield results, seconds
            yield from done

        return cached

    def delete_state(self, rung: int, number: int) -> None:
        """Delete the state of a trial that is not promoted."""
        self._state_path(rung, number).unlink(missing_ok=True)

    def finish(self, result: dict[str, Any], keep: set[int] | None) -> None:
        """Write the result, and delete the states of all trials but those to keep (None: all)."""
        write_atomically(self.folder / "result.json", json.dumps(result, indent=1).encode())
        if keep is None:
            return
        kept = {max(self.folder.glob(f"state-*-{number:06d}.safetensors")) for number in keep}
        for path in set(self.folder.glob("state-*.safetensors")) - kept:
            path.unlink()

    def _write_document(self) -> None:
        write_atomically(self.path, json.dumps(self.document, indent=1).encode())

    def _state_path(self, rung: int, number: int) -> Path:
        return self.folder / f"state-{rung}-{number:06d}.safetensors"

    def _job_path(self, job: Job) -> Path:
        return self.folder / f"job-{job.rung}-{job.ids[0]:06d}.json"

    def _write_job(self, job: Job, results: list[TrialResult], seconds: float) -> None:
        for each in results:
            # safetensors 0.8.0 writes wrong values for an array that is not contiguous
            state = {
                name: np.ascontiguousarray(value) for name, value in (each.state or {}).items()
            }
            write_atomically(self._state_path(job.rung, each.id), save(state))
        document = {
            "seconds": seconds,
            "seen": [
                {name: getattr(each, name) for name in _RESULT_FIELDS}
                | {"configuration": configuration.to_dict()}
                for each, configuration in zip(results, job.configurations, strict=True)
            ],
        }
        # written last: a job counts as done when this file exists
        write_atomically(self._job_path(job), json.dumps(document).encode())

    def _read_job(self, job: Job) -> tuple[list[TrialResult], float] | None:
        path = self._job_path(job)
        if not path.exists():
            return None
        document = json.loads(path.read_text(encoding="utf-8"))
        ids = [each["id"] for each in document["seen"]]
        if ids != list(job.ids):
            raise DataError(
                f"{path} has the trials {ids}, but this search expects {list(job.ids)}: it "
                "belongs to another search, or another version of bridle began it; resume it with "
                "that version, or give another directory"
            )
        results = []
        for each in document["seen"]:
            state = self._state_path(job.rung, each["id"])
            values: dict[str, Any] = {
                name: each[name] if name == "id" else tuple(each[name]) for name in _RESULT_FIELDS
            }
            results.append(
                TrialResult(**values, state=load_file(state) if state.exists() else None)
            )
        return results, document["seconds"]
