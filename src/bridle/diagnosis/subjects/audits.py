"""The audit of a diagnosed model, as a check."""

from __future__ import annotations

from typing import Any

from bridle.audit import Audit
from bridle.checks.networks import audit_check
from bridle.checks.results import CheckResult, not_run
from bridle.diagnosis.subjects.options import Options
from bridle.models.audit import audit_model
from bridle.models.table_model import TableModel

__all__ = ["audited"]


def audited(model: Any, options: Options) -> list[CheckResult]:
    """Return the check of the audit: of the given one, or of one of the model.

    The audit takes training steps on a copy. It is not made if its check is silenced.
    """
    if isinstance(options.audit, Audit):
        return audit_check(options.audit.findings)
    if not isinstance(model, TableModel) or "strengths" not in model.facts:
        return [not_run("BR030")]
    if not options.audit or "BR030" in options.ignore:
        return [not_run("BR030", "it was left out")]
    return audit_check(audit_model(model).findings)
