"""Check the rows of several processes; the first process writes what became of each cell as JSON.

Run by ``test_conformance.py`` in each of the processes, once for all cells.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

import torch
from rank_programs import PROCESSES, RANKS
from torch import distributed as dist
from training_program import CHECKS

from bridle.errors import UsageError


def outcome(check, program):
    try:
        check(program)
    except UsageError as error:
        return f"refused: {error}"
    except Exception:
        return traceback.format_exc(limit=-2)
    return "right"


if __name__ == "__main__":
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    found = {}
    for feature, program in RANKS.items():
        for column, check in CHECKS.items():
            each = [None] * PROCESSES
            dist.all_gather_object(each, outcome(check, program))
            found[f"{feature}-{column}"] = next((text for text in each if text != "right"), "right")
    if dist.get_rank() == 0:
        Path(sys.argv[1]).write_text(json.dumps(found), encoding="utf-8")
    dist.barrier()
    os._exit(0)  # gloo's threads may abort a process that ends
