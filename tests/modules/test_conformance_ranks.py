"""Places and ranks in the conformance matrix: ``<feature>-<noise|penalty|audit|resume>``.

The cells of torch.distributed run in :mod:`ranks_program`, once for two and once for four
processes. The others compare with masks and steps by hand.
"""

import copy
import json
from pathlib import Path

import pytest
import torch
from places_helpers import (
    DROP,
    HALF,
    Together,
    X,
    built,
    by_hand,
    check_noise,
    equal_name_elsewhere,
    net,
    parts_joined,
    streams_of,
    tied,
    two_calls,
    undo_between,
)
from regularize_helpers import adam, steps
from torch import nn

import bridle
from bridle.errors import UsageError
from processes import run_script

COLUMNS = ("noise", "penalty", "audit", "resume")
L1, L2 = bridle.L1(0.5), bridle.L2(0.1)
BATCH = (torch.randn(60, 5, generator=torch.Generator().manual_seed(3)), torch.arange(60) % 3)

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")

# ------------------------------------------------------------------ processes

PROGRAM = Path(__file__).with_name("ranks_program.py")


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """Return the results of all ranks for a number of processes; each number runs once."""
    found = {}

    def run(count):
        if count not in found:
            out = tmp_path_factory.mktemp(f"ranks{count}")
            run_script(PROGRAM, [f"{out}/"], count, out, timeout=600)
            files = [out / f"{rank}.json" for rank in range(count)]
            found[count] = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        return found[count]

    return run


TWO = (
    "ddp",
    "tensor-parallel",
    "tensor-parallel-sharded-activation",
    "fsdp2",
    "dtensor",
    "process-group",
)
CELLS = [f"{feature}-{column}" for feature in TWO for column in COLUMNS]
CELLS += ["fsdp2-constraints", "tensor-parallel-constraints"]
CELLS += ["tensor-parallel-weights", "tensor-parallel-compiled", "dtensor-ops"]
FOUR_CELLS = [
    f"{feature}-{column}"
    for feature in ("device-mesh-2d", "device-mesh-2d-fsdp2")
    for column in COLUMNS
]
FOUR_CELLS += ["device-mesh-2d-fsdp2-parts"]
COPIES = "cannot be copied, and an audit makes its steps with copies"
PARTS = "acts on a tensor of which each process holds a part"
REFUSED = {
    "fsdp2-audit": COPIES,
    "device-mesh-2d-fsdp2-audit": COPIES,
    "tensor-parallel-sharded-activation-structured": PARTS,
    "tensor-parallel-sharded-activation-learned": PARTS,
    "dtensor-learned": PARTS,
    "fsdp2-joint": "distributed over processes, which groups of several weights do not support",
}
needs_gloo = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="torch without gloo",
)


@needs_gloo
@pytest.mark.parametrize("cell", [*CELLS, *[each for each in REFUSED if "2d" not in each][1:]])
def test_two_processes(cell, processes):
    check(cell, processes(2))


@needs_gloo
@pytest.mark.parametrize("cell", FOUR_CELLS)
def test_four_processes(cell, processes):
    check(cell, processes(4))


def check(cell, ranks):
    for rank in ranks:
        if cell in REFUSED:
            assert REFUSED[cell] in rank[cell].get("refused", "")
        else:
            assert rank[cell] == {"differing": []}


@needs_gloo
def test_a_process_that_is_not_in_the_group_is_refused(processes):
    inside, outside = (rank["process-group-outside"] for rank in processes(2))
    assert inside == {"differing": []}
    assert "process 1 is not in the process_group" in outside["refused"]


def test_what_is_no_group_and_no_mesh_is_refused():
    with pytest.raises(UsageError, match=r"the torch\.distributed process group"):
        bridle.regularize(net(), {"0.1": DROP}, process_group=3)
    with pytest.raises(UsageError, match="DeviceMesh"):
        bridle.regularize(net(), {"0.1": DROP}, mesh=3)
    with pytest.raises(UsageError, match="give one of them"):
        bridle.regularize(net(), {"0.1": DROP}, mesh=3, process_group=3)


# ------------------------------------------------------------------ places


@pytest.mark.parametrize(
    ("build", "streams"),
    [
        pytest.param(two_calls, (0, 1), id="two-calls-noise"),
        pytest.param(undo_between, (0, 1), id="undo-between-noise"),
        pytest.param(parts_joined, (0, 1), id="parts-joined-noise"),
    ],
)
def test_masks_are_those_of_distinct_streams(build, streams):
    model, receipts = build()
    check_noise(model, streams)
    assert streams_of(receipts) == list(streams)


def test_equal_name_elsewhere_noise():
    model, receipts = equal_name_elsewhere()
    other, x = net(), X
    hidden = DROP.train(other[0](X), bridle.address_of(0, stream=0))
    expected = DROP.train(other[2](other[1](hidden)), bridle.address_of(0, stream=1))
    output = model(x)
    assert torch.equal(output, expected)
    output.sum().backward(), expected.sum().backward()
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad)
    assert streams_of(receipts) == [0, 1]


@pytest.mark.parametrize("where", ["model", "part"])
def test_same_module_twice_noise(where):
    """Under another name, from another root, and before or on it."""
    model = tied()
    receipt = bridle.regularize(model if where == "model" else model[0], {nn.ReLU: DROP})
    for root, name in ((model, "0.1"), (model[0], "1"), (model, "again.*"), (model[0][1], nn.ReLU)):
        with pytest.raises(UsageError, match="already has a noise after it"):
            bridle.regularize(root, {name: DROP})
    bridle.regularize(model, {"0.1": bridle.Before(DROP)})  # another place
    connect = bridle.DropConnect(**HALF)
    bridle.regularize(model[0], {"0": connect})
    with pytest.raises(UsageError, match=r"already has a noise on it, placed as '0.weight'"):
        bridle.regularize(model, {"0.0": connect})
    receipt.undo()
    assert bridle.regularize(model, {"0.1": DROP}).noises


def test_deepcopy_noise():
    """A copy goes on as the original does; copies in one module have masks of their own."""
    model, _ = two_calls()
    copies = [copy.deepcopy(model) for _ in range(3)]
    for each in copies:  # each alone: the masks of the original
        check_noise(each, (0, 1), passes=1)
    together = Together(*copies)
    together.zero_grad()
    outputs = together(X)
    streams = [(2, 3), (4, 5), (0, 1)]  # the one that runs moves, since the others have run
    expected = [by_hand(net(), each, step=1) for each in streams]
    assert all(torch.equal(a, b) for a, b in zip(outputs, expected, strict=True))
    torch.stack(outputs).square().mean().backward()
    assert all(parameter.grad.any() for parameter in together.parameters() if parameter.ndim > 1)


# ------------------------------------------------------------------ penalties


def trained(model, rules, roots=None, undo=()):
    """Return the weights after steps with rules, each a call on the model or on a root."""
    optimizer = adam(model)
    receipts = []
    for number, rule in enumerate(rules):
        root = model if roots is None else roots[number]
        receipts.append(bridle.regularize(root, rule, optimizer=optimizer))
        if number in undo:
            receipts[-1].undo()
    steps(model, optimizer, X, 4)
    return [parameter.detach() for parameter in model.parameters()]


def equal(first, second):
    return all(
        torch.allclose(a, b) and torch.equal(a == 0, b == 0)
        for a, b in zip(first, second, strict=True)
    )


def penalties_of(feature):
    """Return the weights of a feature, and those of one call with the same penalties."""
    if feature == "two-calls":
        found = trained(net(), [{"0.*": L1}, {"1.*": L2}])
    elif feature == "undo-between":
        found = trained(net(), [{"*": bridle.L1(0.5)}, {"0.*": L1}, {"1.*": L2}], undo=(0,))
    elif feature == "parts-joined":
        model = net()
        found = trained(model, [{"0": L1}, {"0": L2}], roots=model[:2])
    elif feature == "equal-name-elsewhere":
        model = net()
        found = trained(model, [{"0": L1}, {"1.0": L2}], roots=[model[0], model])
    elif feature == "deepcopy":
        copied = copy.deepcopy(net())
        found = trained(copied, [{"0.*": L1}, {"1.*": L2}])
    else:  # the same module twice: under two names, it is penalized once
        return trained(tied(), [{"0.*": L1, "again.*": L1}]), trained(net(), [{"0.*": L1}])
    return found, trained(net(), [{"0.*": L1, "1.*": L2}])


FEATURES = (
    "two-calls",
    "undo-between",
    "parts-joined",
    "same-module-twice",
    "equal-name-elsewhere",
    "deepcopy",
)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: f"{feature}-penalty")
def test_penalties_act_once(feature):
    found, expected = penalties_of(feature)
    assert equal(found, expected)
    assert any(bool((weight == 0).any()) for weight in found)


# ------------------------------------------------------------------ audit, resume


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: f"{feature}-audit")
def test_the_audit_sees_every_noise(feature):
    model, _ = built(feature)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    bridle.attach(optimizer, {"*": L1}, model=model)
    audited = bridle.audit(model, optimizer, BATCH)
    assert audited.passed, str(audited)
    assert len(audited.noises) == 2
    assert {effect.route for effect in audited.effects} == {"prox"}


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: f"{feature}-resume")
def test_a_resumed_run_has_the_masks_of_an_uninterrupted_one(feature):
    model, receipts = built(feature)
    for _ in range(3):
        model(X)
    saved = [json.loads(json.dumps(receipt.state_dict())) for receipt in receipts]
    expected = [model(X) for _ in range(2)]
    again, others = built(feature)
    for receipt, state in zip(others, saved, strict=True):
        receipt.load_state_dict(state)
    assert all(torch.equal(again(X), each) for each in expected)
