#!/usr/bin/env bash
# torch 2.13.0, torch.distributed.tensor.
#
# Behaviour: float() and .item() of a reduced DTensor return the part of this process, without a
# warning, because the sum or the norm is "partial": it has not been added up over the processes.
# A penalty, a norm for clipping or a log of either is then wrong, and differs between processes.
# full_tensor() adds it up.
#
# Output seen:
#   process 0: sum 6.0, norm 3.742; sum by full_tensor() 28.0
#   process 1: sum 22.0, norm 11.225; sum by full_tensor() 28.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
cat > "$folder/sums.py" <<'PYTHON'
import os
import sys

import torch
from torch import distributed as dist, multiprocessing
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

assert torch.__version__.partition("+")[0] == "2.13.0"


def worker(rank, file):
    dist.init_process_group("gloo", store=dist.FileStore(file, 2), rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    weight = distribute_tensor(torch.arange(8.0), mesh, [Shard(0)])
    sums = [None, None]
    dist.all_gather_object(sums, (float(weight.sum()), float(weight.norm())))
    whole = float(weight.sum().full_tensor())
    if rank == 0:
        for place, (total, norm) in enumerate(sums):
            print(f"process {place}: sum {total}, norm {norm:.3f}; sum by full_tensor() {whole}")
        sys.stdout.flush()
    assert whole == 28 and [total for total, _ in sums] == [6, 22]
    dist.barrier()
    os._exit(0)


if __name__ == "__main__":
    multiprocessing.spawn(worker, (sys.argv[1],), nprocs=2)
PYTHON
"$folder/environment/bin/python" "$folder/sums.py" "$folder/store"
