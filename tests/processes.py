"""Runs a script in several processes that know each other, as torchrun does.

They are forks of one server that imported torch and bridle, and did nothing else: each process of
torchrun would import them again, and torchrun itself too.
"""

import multiprocessing
import os
import runpy
import sys
import time
from multiprocessing import connection
from pathlib import Path

from torch.distributed import TCPStore

IMPORTED = [
    "torch.distributed.fsdp",
    "torch.distributed.tensor.parallel",
    "torch.optim",
    "bridle.audit",
    "bridle.modules",
]

LEAVE = "\nimport os, sys\nsys.stdout.flush()\nos._exit(0)\n"
"""The end of a script, without finalizing the interpreter: torch does not join gloo's threads while
a DistributedDataParallel lives, and one that asks for the interpreter's lock by then can abort the
process."""


def run_script(script, arguments, count, folder, timeout=180):
    """Return what the processes of a script print; it fails where one of them does."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    logs = [folder / f"{rank}.log" for rank in range(count)]
    given = (store.port, count, str(script), [str(each) for each in arguments])
    processes = [
        context.Process(target=_begin, args=(rank, str(log), *given))
        for rank, log in enumerate(logs)
    ]
    for each in processes:
        each.start()
    running, deadline = {each.sentinel: each for each in processes}, time.monotonic() + timeout
    ended = connection.wait(running, timeout)
    while ended and all(running.pop(each).exitcode == 0 for each in ended) and running:
        ended = connection.wait(running, max(0, deadline - time.monotonic()))
    for each in running.values():
        each.kill()
    for each in processes:
        each.join()
    said = "".join(log.read_text(encoding="utf-8") for log in logs if log.exists())
    codes = [each.exitcode for each in processes]
    assert codes == [0] * count, f"{codes}\n{said}"
    return said


def _begin(rank, log, port, count, script, arguments):
    """Run a script with the variables that torchrun sets."""
    sys.stdout.flush()
    with Path(log).open("w", encoding="utf-8") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.stdout, sys.stderr = (os.fdopen(at, "w", closefd=False) for at in (1, 2))
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store is that of the process that starts them
        "TORCHELASTIC_RESTART_COUNT": "0",
    }
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
