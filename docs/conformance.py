"""Make the page of the conformance matrix: ``python docs/conformance.py``.

Runs the tests of tests/conformance and writes docs/guides/conformance.md from their results. It
fails, and writes nothing, if a test fails. A test checks that the page has the cells of the tests.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests" / "conformance"
PAGE = ROOT / "docs" / "guides" / "conformance.md"
COLUMNS = ("noise", "penalty", "audit", "resume")

HEAD = """\
# Find your PyTorch program in the conformance matrix

<!-- written by docs/conformance.py from the results of tests/conformance -->

Each cell is a test. **Right** means that three or four training steps give what an independent
eager computation gives, in which the mask is a factor and the proximal step a formula:

- *noise*: the outputs, and the gradients of all parameters,
- *penalty*: the weights after each step, exact zeros included,
- *audit*: `bridle.audit` passes, and fails once the penalty has been taken away,
- *resume*: a run that is saved, built anew and continued equals one that goes through.

**Refused** means that bridle raises an error, or warns where it says so, before it trains anything
wrong. The sentences are below each table. The noise is `Dropout` after a ReLU and the penalty is
`L1`, unless a row says otherwise.
"""


def results() -> dict[str, str]:
    """Run the tests; return what each cell is, by "feature-column"."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            str(TESTS / "test_conformance.py"),
            f"--junitxml={file}",
        ]
        subprocess.run([*command, "-o", "junit_family=xunit1"], cwd=ROOT, check=True)  # noqa: S603
        cells = {}
        for case in ElementTree.parse(file).iter("testcase"):  # noqa: S314
            for each in case.iter("property"):
                if each.get("name") == "cell":
                    cells[case.get("name", "").partition("[")[2][:-1]] = each.get("value", "")
    return cells


def page(sections: dict[str, dict[str, type]], cells: dict[str, str]) -> str:
    """Return the page; a missing cell is an error."""
    parts = [HEAD]
    for title, rows in sections.items():
        lines = [f"## {title}", "", f"| | {' | '.join(COLUMNS)} |", "|---" * 5 + "|"]
        refusals: list[str] = []
        for feature, program in rows.items():
            shown = []
            for column in COLUMNS:
                cell = cells[f"{feature}-{column}"]
                refused = cell.startswith("refused: ")
                shown.append("refused" if refused else "right")
                if refused:
                    refusals.append(f"- {feature}, {column}: {cell.removeprefix('refused: ')}")
            lines.append(f"| {described(feature, program)} | {' | '.join(shown)} |")
        parts.append("\n".join(lines + (["", *refusals] if refusals else [])) + "\n")
    return "\n".join(parts)


def described(feature: str, program: type) -> str:
    """Return a row's head: the feature, and what its program does."""
    text = (vars(program).get("__doc__") or "").strip().partition("\n\n")[0]
    text = " ".join(text.split()).replace("``", "`")
    return f"**{feature}**" + (f"<br>{text}" if text else "")


def sections() -> dict[str, dict[str, type]]:
    """Return the rows of each section, as the tests have them."""
    sys.path[:0] = [str(ROOT / "tests"), str(TESTS)]
    from test_conformance import SECTIONS

    return SECTIONS


if __name__ == "__main__":
    PAGE.write_text(page(sections(), results()), encoding="utf-8")
