"""Run in each of several processes: features of torch.distributed against one process alone.

Each cell compares two or three training steps of a distributed model with the same steps of the
whole model on the whole batch, in one process: outputs, gradients, weights, exact zeros. The cells'
results go to a file for each rank: what differed, or the message of a refusal.
"""

import copy
import json
import os
import sys
import warnings
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    RowwiseParallel,
    parallelize_module,
)

import bridle

HALF = {"keep_prob": 0.5}
DROP = bridle.Dropout(**HALF)
ELEMENTWISE = [DROP, bridle.GaussianDropout(**HALF), bridle.AlphaDropout(**HALF)]
STRUCTURED = [bridle.DropPath(**HALF), bridle.SpatialDropout(**HALF)]
SCHEDULED = bridle.Scheduled(DROP, bridle.LinearSchedule(0.6, 1.0, steps=9))
PENALTIES = [
    ("proximal", "euclidean", bridle.L1(0.1)),
    ("proximal", "euclidean", bridle.L2(0.1)),
    ("proximal", "euclidean", bridle.ElasticNet(l1=0.1, l2=0.05)),
    ("proximal", "adaptive", bridle.L1(0.01)),
    ("proximal", "euclidean", bridle.GroupLasso(0.5, dim=-1)),
    ("proximal", "euclidean", bridle.GroupLasso(0.5, dim=-2)),
    ("proximal", "euclidean", bridle.MaxNorm(0.4, dim=-1)),
    ("proximal", "euclidean", bridle.MaxNorm(0.4, dim=-2)),
    ("coupled", "euclidean", bridle.ElasticNet(l1=0.1, l2=0.05)),
    ("coupled", "euclidean", bridle.GroupLasso(0.1, dim=-1)),
]

dist.init_process_group("gloo")
RANK, WORLD = dist.get_rank(), dist.get_world_size()
SOLO = [dist.new_group([rank]) for rank in range(WORLD)][RANK]
X = torch.randn(8, 6, generator=torch.Generator().manual_seed(1))
ROWS = {"rows": slice(RANK, None, WORLD), "group": dist.group.WORLD}


def net():
    torch.manual_seed(0)
    layers = [nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 8), nn.Identity(), nn.Linear(8, 3)]
    return nn.Sequential(*layers)


def alone():
    return net(), {"process_group": SOLO}, {}


def ddp():
    return net(), {}, {"wrap": nn.parallel.DistributedDataParallel, **ROWS}


def tensor_parallel(**options):
    mesh = init_device_mesh("cpu", (WORLD,))
    plan = {"0": ColwiseParallel(**options), "2": RowwiseParallel()}
    return parallelize_module(net(), mesh, plan), {}, {}


def dtensor():
    return tensor_parallel(use_local_output=False)


def fsdp2():
    model = net()
    fully_shard(model[0])
    return fully_shard(model), {}, ROWS


def process_group():
    return net(), {"process_group": dist.group.WORLD}, {"average": True, **ROWS}


def mesh_2d(*, fsdp, given):
    mesh = init_device_mesh("cpu", (2, WORLD // 2), mesh_dim_names=("dp", "tp"))
    model = parallelize_module(net(), mesh["tp"], {"0": ColwiseParallel(), "2": RowwiseParallel()})
    how = {"rows": slice(RANK // 2, None, 2), "group": mesh["dp"].get_group()}
    if fsdp:
        fully_shard(model[0], mesh=mesh["dp"])
        fully_shard(model, mesh=mesh["dp"])
    return model, {"mesh": mesh} if given else {}, how | {"average": not fsdp}


def full(x):
    return x.full_tensor() if isinstance(x, DTensor) else x


class Run:
    """A model, its optimizer and its regularization, which make steps."""

    def __init__(self, build, rules, **options):
        self.model, where, how = build()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.05)
        options = {"optimizer": self.optimizer} | options
        self.receipt = bridle.regularize(self.model, rules, **where, **options)
        self.called = how.get("wrap", lambda model: model)(self.model)
        self.rows, self.group = how.get("rows", slice(None)), how.get("group")
        self.average = how.get("average", False)

    def step(self):
        """Make a step; return the outputs, and the gradients and weights by parameter."""
        self.optimizer.zero_grad()
        output = full(self.called(X[self.rows]))
        output.square().mean().backward()
        grads = [full(parameter.grad).clone() for parameter in self.model.parameters()]
        if self.average:
            for parameter in self.model.parameters():
                local = parameter.grad
                local = local.to_local() if isinstance(local, DTensor) else local
                dist.all_reduce(local, group=self.group)
                local /= dist.get_world_size(self.group)
            grads = [full(parameter.grad).clone() for parameter in self.model.parameters()]
        self.optimizer.step()
        if self.group is not None:  # put the rows together again
            parts = [torch.empty_like(output) for _ in range(dist.get_world_size(self.group))]
            dist.all_gather(parts, output.detach().contiguous(), group=self.group)
            output = torch.stack(parts, 1).flatten(0, 1)
        weights = [full(parameter.detach()).clone() for parameter in self.model.parameters()]
        return [output.detach()], grads, weights


def compare(build, rules, steps=3, **options):
    """Return what differs between a distributed model and the whole one."""
    one, whole = Run(build, rules, **options), Run(alone, rules, **options)
    differing = []
    for step in range(steps):
        for what, mine, theirs in zip(
            ("outputs", "gradients", "weights"), one.step(), whole.step(), strict=True
        ):
            for a, b in zip(mine, theirs, strict=True):
                near = torch.allclose(a, b, rtol=1e-4, atol=1e-5)
                if not near or (what == "weights" and not torch.equal(a == 0, b == 0)):
                    differing.append(f"{what} of step {step} of {rules}: {(a - b).abs().max()}")
    values = [float(run.receipt.value().detach()) for run in (one, whole)]
    if abs(values[0] - values[1]) > 1e-5 * abs(values[1]):
        differing.append(f"values {values} of {rules}")
    return differing


def noises(build, where, kinds):
    return [each for kind in kinds for each in compare(build, {where: kind})]


def penalties(build):
    found = []
    for mode, metric, penalty in PENALTIES:
        found += compare(build, {"*": penalty}, mode=mode, metric=metric)
    return found


def constraints(build):
    """Projections after each step, and the value where a constraint does not hold yet."""
    rules = [
        bridle.NonNegative(),
        bridle.NOfM(1, 2),
        bridle.NOfM(2, 4, dim=0),
        bridle.SortedL1(0.05),
    ]
    rules += [[bridle.MaxNorm(0.3, dim=0), bridle.NonNegative()], bridle.MaxNorm(0.2)]
    found = []
    for rule in rules:
        where = {("0.weight", "2.weight"): rule}
        found += compare(build, where, steps=2)
        values = [float(Run(each, where).receipt.value().detach()) for each in (build, alone)]
        if values[0] != values[1] and abs(values[0] - values[1]) > 1e-5:
            found.append(f"values {values} of {rule} before the first step")
    return found


def joint(build):
    units = bridle.Joint({"0.weight": "units", "2.weight": "inputs"})
    Run(build, {units: bridle.GroupLasso(0.1)})


def audit(build, where):
    """Audit with noise, and the penalties' effects without: these are the same everywhere."""
    batch = (torch.randn(64, 6, generator=torch.Generator().manual_seed(3)), torch.arange(64) % 3)
    rules = {"*": [bridle.L1(0.01), bridle.MaxNorm(0.5)]}
    audits = []
    for each, given in ((build, rules | {where: DROP}), (build, rules), (alone, rules)):
        run = Run(each, given)
        if where in given:
            run.step()
        audits.append(bridle.audit(run.called, run.optimizer, batch))
    effects = [
        [(e.parameter, e.penalty, round(e.measured, 4), round(e.expected, 4)) for e in a.effects]
        for a in audits
    ]
    failed = [str(each) for each in audits if not each.passed]
    return failed + [f"{one}: {effects}" for one in ["effects"] if effects[1] != effects[2]]


def resume(build, where):
    rules = {where: SCHEDULED, "*": bridle.L1(0.01)}
    one = Run(build, rules)
    for _ in range(2):
        one.step()
    again = Run(build, rules)
    again.receipt.load_state_dict(json.loads(json.dumps(one.receipt.state_dict())))
    again.model.load_state_dict(one.model.state_dict())
    again.optimizer.load_state_dict(copy.deepcopy(one.optimizer.state_dict()))
    return [
        f"{what} differ after the resume"
        for what, mine, theirs in zip(
            ("outputs", "gradients", "weights"), one.step(), again.step(), strict=True
        )
        if not all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))
    ]


def cells_of(build, where, kinds):
    return {
        "noise": lambda: noises(build, where, kinds),
        "penalty": lambda: penalties(build),
        "audit": lambda: audit(build, where),
        "resume": lambda: resume(build, where),
    }


def structured(build):
    return lambda: noises(build, "1", STRUCTURED[:1])


def learned(build):
    return lambda: noises(build, "1", [bridle.ConcreteDropout(**HALF)])


def weights_of(build):
    return lambda: noises(build, "*", [bridle.DropConnect(**HALF)])


def ops_on_dtensors():
    mesh, address = init_device_mesh("cpu", (WORLD,)), bridle.address_of(3, step=2)
    ops = bridle.ops
    calls = {
        "dropout": lambda x: ops.dropout(x, address, 0.5),
        "relu": lambda x: ops.dropout(x, address, 0.5, relu=True),
        "rows": lambda x: ops.dropout(x, address, 0.5, rows=torch.arange(9, 14)),
        "gaussian": lambda x: ops.gaussian_dropout(x, address, 0.5),
        "uniform": lambda x: ops.uniform_like(x, address),
        "drop_connect": lambda x: ops.drop_connect(x, address, 0.5, row=3),
        "soft_threshold": lambda x: ops.soft_threshold(x, 0.5),
        "elastic_prox": lambda x: ops.elastic_prox(
            x[None], torch.tensor([0.3]).double(), torch.tensor([0.3]).double(), rate=0.5
        ),
    }
    whole = torch.randn(5, 7, generator=torch.Generator().manual_seed(1))
    return [
        f"{name} at {axis}"
        for name, call in calls.items()
        for axis in range(2)
        if not torch.equal(full(call(distribute_tensor(whole, mesh, [Shard(axis)]))), call(whole))
    ]


def a_part_of_the_group():
    group = dist.new_group([0])
    receipt = bridle.regularize(net(), {"3": DROP}, process_group=group)
    return [] if RANK == 0 and receipt else ["a process outside of the group was not refused"]


def compiled():
    """After one eager pass, which compares the activations of the processes."""
    one, whole = tensor_parallel()[0], net()
    bridle.regularize(one, {"1": DROP, "3": DROP})
    bridle.regularize(whole, {"1": DROP, "3": DROP}, process_group=SOLO)
    one(X), whole(X)
    run, found = torch.compile(one, backend="aot_eager", fullgraph=True), []
    for _ in range(3):
        outputs = [run(X), whole(X)]
        for model, output in zip((one, whole), outputs, strict=True):
            model.zero_grad()
            output.square().mean().backward()
        parameters = zip(one.parameters(), whole.parameters(), strict=True)
        pairs = [outputs, *([full(p.grad) for p in each] for each in parameters)]
        found += [f"{a} is not {b}" for a, b in pairs if not torch.allclose(a, b, atol=1e-5)]
    return found


TWO = {
    "ddp": cells_of(ddp, "1", [*ELEMENTWISE, *STRUCTURED, SCHEDULED]),
    "tensor-parallel": cells_of(tensor_parallel, "3", [*ELEMENTWISE, *STRUCTURED, SCHEDULED])
    | {"weights": weights_of(tensor_parallel), "compiled": compiled}
    | {"constraints": lambda: constraints(tensor_parallel)},
    "tensor-parallel-sharded-activation": cells_of(tensor_parallel, "1", [*ELEMENTWISE, SCHEDULED])
    | {"structured": structured(tensor_parallel), "learned": learned(tensor_parallel)},
    "fsdp2": cells_of(fsdp2, "1", [*ELEMENTWISE, *STRUCTURED, SCHEDULED])
    | {"constraints": lambda: constraints(fsdp2), "joint": lambda: joint(fsdp2)},
    "dtensor": cells_of(dtensor, "1", [*ELEMENTWISE, *STRUCTURED, SCHEDULED])
    | {"learned": learned(dtensor), "ops": ops_on_dtensors},
    "process-group": cells_of(process_group, "1", [*ELEMENTWISE, *STRUCTURED, SCHEDULED])
    | {"outside": a_part_of_the_group},
}


def given_mesh():
    return mesh_2d(fsdp=False, given=True)


def found_mesh():
    return mesh_2d(fsdp=True, given=False)


FOUR = {
    "device-mesh-2d": cells_of(given_mesh, "3", [DROP]),
    "device-mesh-2d-fsdp2": cells_of(found_mesh, "3", [DROP])
    | {"parts": lambda: noises(found_mesh, "1", [DROP])},
}

warnings.filterwarnings("ignore")
results = {}
for feature, cells in (TWO if WORLD == 2 else FOUR).items():
    for name, cell in cells.items():
        if sys.argv[2:] and sys.argv[2] not in f"{feature}-{name}":
            continue
        try:
            results[f"{feature}-{name}"] = {"differing": cell()}
        except bridle.UsageError as refusal:
            results[f"{feature}-{name}"] = {"refused": str(refusal)}
        except Exception as error:  # a test shows it
            results[f"{feature}-{name}"] = {"differing": [f"{type(error).__name__}: {error}"]}
Path(f"{sys.argv[1]}{RANK}.json").write_text(json.dumps(results), encoding="utf-8")
dist.barrier()
sys.stdout.flush()
os._exit(0)  # torch can abort a process that finalizes while gloo's threads run
