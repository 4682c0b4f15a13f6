"""Check the rows of several processes; the first process prints what became of each cell as JSON.

Started by ``test_conformance.py``, once for all cells.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

import torch
from rank_programs import PROCESSES, RANKS
from torch import distributed as dist, multiprocessing
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


def worker(rank, file):
    torch.set_num_threads(1)
    store = dist.FileStore(file + ".store", PROCESSES)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=PROCESSES)
    found = {}
    for feature, program in RANKS.items():
        for column, check in CHECKS.items():
            each = [None] * PROCESSES
            dist.all_gather_object(each, outcome(check, program))
            found[f"{feature}-{column}"] = next((text for text in each if text != "right"), "right")
    if rank == 0:
        Path(file).write_text(json.dumps(found), encoding="utf-8")
    dist.barrier()
    os._exit(0)  # gloo's threads may abort a process that ends


if __name__ == "__main__":
    multiprocessing.spawn(worker, (sys.argv[1],), nprocs=PROCESSES)
