"""Rows of the matrix: two processes, data-parallel, sharded and tensor-parallel."""

from __future__ import annotations

from torch import distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    RowwiseParallel,
    parallelize_module,
)
from torch.nn import functional as F  # noqa: N812
from torch.nn.parallel import DistributedDataParallel
from training_program import Program, Step, WrittenOut, batch

PROCESSES = 2


def whole(tensor):
    """A tensor of all processes: a ``DTensor`` is gathered."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


class OfRanks(Program):
    """Each process has half of the batch; the gradients are averaged."""

    def step(self, number):
        x, y = (part[dist.get_rank() :: PROCESSES] for part in batch(number))
        output = self.gradients(x, y)
        gradients = {name: whole(p.grad).clone() for name, p in self.parameters()}
        self.update()
        return Step(output, gradients, self.weights())

    def weights(self):
        return {name: whole(p.detach()).clone() for name, p in self.parameters()}

    def written_out(self, rules):
        return _OfRanks(rules)


class _OfRanks(WrittenOut):
    """Row i of process r is row 2 i + r of the batch."""

    def gradients(self, x, y):
        self.net.zero_grad()
        hidden = self.net.body(x) * self.factor(len(x))
        output = self.net.head(hidden)
        F.cross_entropy(output, y).backward()
        return output[dist.get_rank() :: PROCESSES].detach()


class DataParallel(OfRanks):
    def prepare(self):
        self.regularize()
        self.model = DistributedDataParallel(self.net)


class FullyShard(OfRanks):
    """FSDP2 shards the parameters; the optimizer has the shards."""

    def make_optimizer(self):
        mesh = init_device_mesh("cpu", (PROCESSES,))
        fully_shard(self.net.body, mesh=mesh)
        fully_shard(self.net, mesh=mesh)
        return super().make_optimizer()


class TensorParallel(OfRanks):
    """Both processes have the whole batch; the layers' weights are split."""

    def make_optimizer(self):
        mesh = init_device_mesh("cpu", (PROCESSES,))
        plan = {
            "body.0": ColwiseParallel(output_layouts=Replicate()),
            "head": RowwiseParallel(input_layouts=Replicate()),
        }
        parallelize_module(self.net, mesh, plan)
        return super().make_optimizer()

    def step(self, number):
        x, y = batch(number)
        output = whole(self.gradients(x, y))
        gradients = {name: whole(p.grad).clone() for name, p in self.parameters()}
        self.update()
        return Step(output, gradients, self.weights())

    def written_out(self, rules):
        return WrittenOut(rules)


RANKS = {
    "DistributedDataParallel": DataParallel,
    "FSDP2 (fully_shard)": FullyShard,
    "tensor parallelism": TensorParallel,
}
