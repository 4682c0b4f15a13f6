"""The conformance matrix: each feature of PyTorch × noise, penalty, audit and resume.

Every cell is a test: either outputs, gradients and weights equal those of an independent eager
computation, or the message of the refusal is the stated one. ``docs/conformance.py`` makes the
page of the documentation from the results.
"""

import json
import re
from pathlib import Path

import pytest
import torch
import torch._dynamo
from execution_programs import EXECUTION
from function_programs import COPIES, FUNCTIONS, PLACES
from optimizer_programs import OPTIMIZERS
from rank_programs import PROCESSES, RANKS
from training_program import CHECKS
from weight_programs import LAYERS, RECOMPUTED
from wrapped_programs import WRAPPED

from bridle.errors import UsageError
from processes import run_script

# warnings of torch's own: its default compiler imports what it deprecates, and reads .grad of every
# input where a compiled model has a graph break
pytestmark = [
    pytest.mark.filterwarnings(r"ignore:`torch\.jit\..*deprecated"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf"),
]

SECTIONS = {
    "Compilation, checkpointing and nested passes": EXECUTION,
    "torch.func": FUNCTIONS,
    "Places": PLACES,
    "Processes": RANKS,
    "Optimizers": OPTIMIZERS,
    "Wrapped optimizers": WRAPPED,
    "Layers and their groups of weights": LAYERS,
    "Weights that are recomputed": RECOMPUTED,
    "Copies": COPIES,
}
ROWS = {feature: program for rows in SECTIONS.values() for feature, program in rows.items()}
RECOMPUTED_PENALTY = r"is computed by .* use mode='coupled'"
REFUSED = {
    ("weight_norm", "penalty"): RECOMPUTED_PENALTY,
    ("spectral_norm", "penalty"): RECOMPUTED_PENALTY,
    ("orthogonal", "penalty"): RECOMPUTED_PENALTY,
    ("complex weights", "penalty"): "penalties are functions of real floating-point weights",
    ("LazyLinear", "penalty"): "has no shape yet: pass one batch through the model first",
    ("Lookahead", "penalty"): "changes the weights after the step of SGD",
    ("schedule-free", "penalty"): "do not survive: use mode='coupled'",
    ("FSDP2 (fully_shard)", "audit"): "audit the model and its optimizer before fully_shard",
    ("deepcopy of the model alone", "penalty"): r"\(a warning\) the penalties of .* are gone",
    ("load_state_dict(assign=True)", "penalty"): "has been replaced",
}
"""Where bridle refuses: the message, as a regular expression."""


def is_refused(feature, column):
    return (feature, column) in REFUSED


@pytest.fixture(scope="module")
def of_ranks(tmp_path_factory):
    """What became of each cell in two processes."""
    folder = tmp_path_factory.mktemp("ranks")
    file = folder / "cells.json"
    run_script(Path(__file__).with_name("run_ranks.py"), [file], PROCESSES, folder, timeout=600)
    return json.loads(file.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def compiled_anew():
    """Nothing is left of an earlier test, and no limit lets a model run uncompiled."""
    torch._dynamo.reset()
    with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
        yield


@pytest.mark.parametrize("column", CHECKS)
@pytest.mark.parametrize("feature", ROWS)
def test_cell(feature, column, request, record_property):
    if feature in RANKS:
        found = request.getfixturevalue("of_ranks")[f"{feature}-{column}"]
    else:
        found = "right"
        try:
            CHECKS[column](ROWS[feature])
        except UsageError as error:
            if not is_refused(feature, column):
                raise
            found = f"refused: {error}"
    record_property("cell", found)
    if is_refused(feature, column):
        assert found.startswith("refused: ")
        assert re.search(REFUSED[feature, column], found)
    else:
        assert found == "right", found
