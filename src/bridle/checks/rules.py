"""The registry of checks: one rule for each code, and the selection of codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from bridle.errors import UsageError, did_you_mean

__all__ = ["RULES", "SEVERITIES", "Rule", "Severity", "codes_of"]

Severity = Literal["error", "warning", "note"]
"""How severe a finding is."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""From the most severe. An error: the scores cannot be trusted, or a regularizer does not act.
A warning: the model predicts new rows worse than it could. A note: worth knowing."""


@dataclass(frozen=True)
class Rule:
    """What a code stands for.

    Attributes
    ----------
    code : str
        Such as "BR001".
    name : str
        A few words.
    severity : {"error", "warning", "note"}
    fails : str
        When the check fails, with its threshold or test.
    needs : str
        What it needs; the reason if it is not run.
    advice : str
        What to do.
    """

    code: str
    name: str
    severity: Severity
    fails: str
    needs: str
    advice: str

    @property
    def page(self) -> str:
        """The page of the documentation."""
        return f"checks/{self.code}.html"

    def __str__(self) -> str:
        """Return the rule as text, one line for each part."""
        return (
            f"{self.code} {self.name} ({self.severity})\n"
            f"fails if: {self.fails}\n"
            f"needs: {self.needs}\n"
            f"what to do: {self.advice}\n"
            f"silence: --ignore {self.code}, or ignore=[{self.code!r}] in Python\n"
            f"documentation: {self.page}"
        )


_ALL = (
    Rule(
        "BR001",
        "overfits",
        "warning",
        "the gap, the training score minus the score on new rows, is shown to be above 2 points "
        "(0.02 of R²), one-sided at 2.5 %",
        "training rows and new rows",
        "stop early, regularize more, use a smaller network or more training rows",
    ),
    Rule(
        "BR002",
        "underfits",
        "warning",
        "another learner is shown to lead by more than 2 points on the same rows, one-sided at "
        "2.5 % over all learners; or the model has learned next to nothing, and another learner "
        "is shown to be better, or none was compared and no class is rare",
        "new rows, and another learner or training rows",
        "regularize less, train longer, or use a larger network",
    ),
    Rule(
        "BR003",
        "other learner better",
        "warning",
        "another learner is shown to be better on the same new rows, one-sided at 2.5 % over all "
        "learners, and leads by 1 point or more",
        "another learner on the same new rows (training rows, and a comparison: reference=True)",
        "use that learner, or search for better strengths",
    ),
    Rule(
        "BR010",
        "target leaked by a column",
        "error",
        "a column tells the class in 99.5 % of the rows or more, where this share is shown to be "
        "above 95 % (one-sided at 2.5 %) and the most frequent class has less than 95 %; or the "
        "classes are one block each in its order, in 90 rows or more; or its correlation with a "
        "numerical target is above 0.9999",
        "a table of 30 rows or more",
        "leave the column out if it is known only afterwards",
    ),
    Rule(
        "BR011",
        "rows in both parts",
        "error",
        "the share of new rows that repeat a training row, target included, is shown to be above "
        "2 % (one-sided at 2.5 %), and the columns have 50 distinct values or more together; or, "
        "from the sample of training rows in a model file, it is estimated to be above 10 %",
        "training rows and new rows, 30 or more",
        "leave out the copies, and fit again",
    ),
    Rule(
        "BR012",
        "identifier used",
        "warning",
        "a column has another value in each row, and counts the rows, or is an integer named as an "
        "identifier, or is a text without blanks",
        "a table of 30 rows or more",
        "leave the column out",
    ),
    Rule(
        "BR013",
        "groups on both sides",
        "error",
        "a column has 10 or more values with 3 rows or more each (the median); at least 90 % of "
        "its values have one target class only, which is shown to be no chance, or the intraclass "
        "correlation of a numerical target's ranks is shown to be above 0.9; and the share of new "
        "rows whose value is in the training rows too is shown to be above 2 % (each one-sided at "
        "2.5 %)",
        "a table of 30 rows or more, and which rows were trained on",
        "split by group, so that all rows of one group are on one side",
    ),
    Rule(
        "BR014",
        "time order broken",
        "warning",
        "the rows are in order of a column of dates, and more than 2 % of the training rows are "
        "later than the first new row",
        "a table of 30 rows or more, and which rows were trained on",
        "split by time, so that the new rows are the last ones",
    ),
    Rule(
        "BR020",
        "strength at the edge of its range",
        "note",
        "the best third of the configurations that use a strength have it in the outer tenth of "
        "its range more often than chance (binomial test, 2.5 % over all edges), and so does the "
        "best one",
        "the result of a search",
        "search again with a wider range, or fit beyond the edge",
    ),
    Rule(
        "BR021",
        "early stopping did the work",
        "note",
        "early stopping alone is shown to lower the gap, and by more than all other regularizers "
        "do beyond it; these are not shown to lower the gap or to raise the test score",
        "a fit with early stopping and another regularizer",
        "prefer early stopping alone, or search for strengths that add to it",
    ),
    Rule(
        "BR022",
        "too few rows to tell",
        "note",
        "the verdict is 'cannot tell', because an interval of the gap or of a lead includes the "
        "tolerance of 2 points, or R² has fewer than 4 new rows",
        "training rows and new rows",
        "use more new rows, or cross-validate",
    ),
    Rule(
        "BR030",
        "audit failed",
        "error",
        "real training steps on a copy differ from the formulas of the regularizers",
        "a model that records its regularizers, or an audit (audit=)",
        "run `bridle audit` or bridle.audit, and mend what it names",
    ),
    Rule(
        "BR031",
        "dead units",
        "note",
        "in a hidden layer, 10 % of the units or more are dead: their incoming or outgoing weights "
        "are all exactly 0",
        "a network",
        "remove them with bridle.compact; predictions stay the same",
    ),
    Rule(
        "BR040",
        "probabilities off",
        "warning",
        "the hypothesis of calibrated probabilities is rejected at 2.5 %, and the expected "
        "calibration error is above that of a calibrated model by more than 0.02",
        "probabilities for new rows",
        "calibrate the probabilities on held-out rows; if a temperature was fitted on them "
        "already, on new rows",
    ),
)

RULES: Mapping[str, Rule] = MappingProxyType({rule.code: rule for rule in _ALL})
"""The rules by code."""


def codes_of(selectors: Iterable[str], *, severities: bool = False) -> tuple[str, ...]:
    """Return the codes that selectors name, in order.

    Parameters
    ----------
    selectors : iterable of str
        Codes such as "BR001", or beginnings of codes such as "BR01", separated by commas if there
        are several in one string.
    severities : bool
        Whether "error", "warning" and "note" can be given too. A severity stands for itself and
        for those above it.

    Returns
    -------
    tuple of str

    Raises
    ------
    UsageError
        If a selector names no code.

    Examples
    --------
    >>> codes_of(["BR01", "BR001"])
    ('BR001', 'BR010', 'BR011', 'BR012', 'BR013', 'BR014')
    >>> codes_of(["error"], severities=True)
    ('BR010', 'BR011', 'BR013', 'BR030')
    """
    given = [selectors] if isinstance(selectors, str) else selectors
    chosen: set[str] = set()
    for each in (part.strip() for text in given for part in text.split(",")):
        if severities and each.lower() in SEVERITIES:
            least = SEVERITIES.index(each.lower())
            found = {c for c, r in RULES.items() if SEVERITIES.index(r.severity) <= least}
        else:
            start = each.upper()
            found = {c for c in RULES if start.startswith("BR") and c.startswith(start)}
        if not found:
            known = [*RULES, *(SEVERITIES if severities else ())]
            raise UsageError(f"{each!r} is no code of a check; {did_you_mean(each, known)}")
        chosen |= found
    return tuple(code for code in RULES if code in chosen)
