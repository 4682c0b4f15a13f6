"""The run directory: what was found, as it was found, so that a search can go on from it.

- ``plan.json``: the plan, the fingerprint of the data, and what the clock decided.
- ``job-<rung>-<first configuration>.json``: what was seen in a job.
- ``state-<rung>-<configuration>.safetensors``: weights that may still be needed.

Every file is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file, save

from bridle.errors import DataError, UsageError
from bridle.models.file import write_atomically
from bridle.search.advance import Job, Seen
from bridle.search.halving import Plan, Runner
from bridle.search.task import Task

__all__ = ["Journal", "fingerprint"]

FORMAT = 1
_PARTS = ("id", "steps", "scores", "losses", "fold_scores")


def fingerprint(task: Task) -> str:
    """Return a hash of the rows that a search trains on."""
    found = hashlib.sha256()
    for bins, rows in sorted(task.inputs.items()):
        found.update(f"{bins} {list(rows.shape)}".encode())
        found.update(rows.contiguous().numpy().tobytes())
    found.update(task.y.numpy().tobytes())
    found.update(task.fold.numpy().tobytes())
    return found.hexdigest()[:16]


class Journal:
    """A run directory, new or gone on with."""

    def __init__(self, folder: Path, *, resume: bool) -> None:
        self.folder = folder
        self.path = folder / "plan.json"
        if self.path.exists() and not resume:
            raise UsageError(
                f"{folder} holds a search already: resume it, or give another directory"
            )
        if resume and not self.path.exists():
            raise DataError(f"there is no search to resume in {folder}: it has no plan.json")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"cannot make the directory {folder}: {error.strerror}") from error
        self.document: dict[str, Any] = {}
        if resume:
            self.document = json.loads(self.path.read_text(encoding="utf-8"))
            if self.document.get("format") != FORMAT:
                raise DataError(f"{self.path} is not of a search that this version can resume")

    def begin(self, plan: Plan, data: str, budget: float | None) -> None:
        """Write the plan down."""
        self.document = {
            "format": FORMAT,
            "data": data,
            "budget": budget,
            "plan": asdict(plan),
            "decided": {},
        }
        self._write()

    def resumed(self, data: str) -> tuple[Plan, float | None]:
        """Return the plan and the seconds of the search to go on with, if it is of these data."""
        if self.document["data"] != data:
            raise UsageError(
                f"{self.folder} holds a search on other data or folds: resume with the same "
                "table and arguments"
            )
        known = self.document["plan"]
        return Plan(**known | {"steps": tuple(known["steps"])}), self.document["budget"]

    def decide(self, what: str, value: int) -> int:
        """Return what was decided before, or write a decision down."""
        decided = self.document["decided"]
        if what not in decided:
            decided[what] = value
            self._write()
        return int(decided[what])

    def decided(self, what: str) -> int | None:
        """Return a decision, if it was made."""
        return self.document["decided"].get(what)

    @property
    def seconds(self) -> float:
        """How long the jobs took that are done."""
        files = self.folder.glob("job-*.json")
        return sum(json.loads(path.read_text(encoding="utf-8"))["seconds"] for path in files)

    def runner(self, run: Runner) -> Runner:
        """Return a runner that takes what is done from the directory, and adds to it."""

        def journalled(jobs: Iterator[Job]) -> Iterator[tuple[list[Seen], float]]:
            done: list[tuple[list[Seen], float]] = []
            sent: dict[tuple[int, ...], Job] = {}

            def missing() -> Iterator[Job]:
                for job in jobs:
                    found = self._read(job)
                    if found is not None:
                        done.append(found)
                    else:
                        sent[job.ids] = job
                        yield job

            for seen, seconds in run(missing()):
                while done:
                    yield done.pop(0)
                self._note(sent.pop(tuple(each.id for each in seen)), seen, seconds)
                yield seen, seconds
            yield from done

        return journalled

    def forget(self, rung: int, number: int) -> None:
        """Remove the weights of a configuration that does not go on."""
        self._state(rung, number).unlink(missing_ok=True)

    def finish(self, result: dict[str, Any], keep: set[int]) -> None:
        """Write the result down, and remove the weights that it does not rest on."""
        write_atomically(self.folder / "result.json", json.dumps(result, indent=1).encode())
        kept = {max(self.folder.glob(f"state-*-{number:06d}.safetensors")) for number in keep}
        for path in set(self.folder.glob("state-*.safetensors")) - kept:
            path.unlink()

    def _write(self) -> None:
        write_atomically(self.path, json.dumps(self.document, indent=1).encode())

    def _state(self, rung: int, number: int) -> Path:
        return self.folder / f"state-{rung}-{number:06d}.safetensors"

    def _job(self, job: Job) -> Path:
        return self.folder / f"job-{job.rung}-{job.ids[0]:06d}.json"

    def _note(self, job: Job, seen: list[Seen], seconds: float) -> None:
        for each in seen:
            write_atomically(self._state(job.rung, each.id), save(each.state or {}))
        document = {
            "seconds": seconds,
            "seen": [
                {name: getattr(each, name) for name in _PARTS}
                | {"configuration": configuration.to_dict()}
                for each, configuration in zip(seen, job.configurations, strict=True)
            ],
        }
        write_atomically(self._job(job), json.dumps(document).encode())  # last: it is the sign

    def _read(self, job: Job) -> tuple[list[Seen], float] | None:
        path = self._job(job)
        if not path.exists():
            return None
        document = json.loads(path.read_text(encoding="utf-8"))
        if [each["id"] for each in document["seen"]] != list(job.ids):
            raise DataError(f"{path} is of another search; give another directory")
        found = []
        for each in document["seen"]:
            state = self._state(job.rung, each["id"])
            parts: dict[str, Any] = {n: each[n] if n == "id" else tuple(each[n]) for n in _PARTS}
            found.append(Seen(**parts, state=load_file(state) if state.exists() else None))
        return found, document["seconds"]
