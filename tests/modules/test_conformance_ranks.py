"""Places and ranks in the conformance matrix: ``<feature>-<noise|penalty|audit|resume>``.

The cells of torch.distributed run in :mod:`ranks_program`, once for two and once for four
processes. The others compare with masks and steps by hand.
"""

import copy
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from regularize_helpers import adam, steps
from torch import nn

import bridle
from bridle.errors import RegularizationWarning, UsageError

COLUMNS = ("noise", "penalty", "audit", "resume")
HALF = {"keep_prob": 0.5}
DROP = bridle.Dropout(**HALF)
L1, L2 = bridle.L1(0.5), bridle.L2(0.1)
X = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
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
            command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
            command += ["--local-addr", "127.0.0.1", "--nproc-per-node", str(count)]
            command += [str(PROGRAM), f"{out}/"]
            ran = subprocess.run(command, capture_output=True, text=True, timeout=600)
            assert ran.returncode == 0, ran.stdout + ran.stderr
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


def part(inputs):
    return nn.Sequential(nn.Linear(inputs, 16), nn.ReLU())


class Net(nn.Sequential):
    """Three blocks; further names of them are not called."""

    def forward(self, x):
        return self[2](self[1](self[0](x)))


def net():
    torch.manual_seed(0)
    return Net(part(5), part(16), nn.Linear(16, 3))


def by_hand(model, streams, step=0, seed=0):
    """Return the outputs with masks of some streams after the two ReLUs, by eager calls."""
    x = X
    for block, stream in zip(model[:2], streams, strict=True):
        x = block[0](x).relu()
        if stream is not None:
            x = DROP.train(x, bridle.address_of(seed, stream=stream, step=step))
    return model[2](x)


def check_noise(model, streams, passes=2):
    """Compare outputs and gradients of some training passes with those by hand."""
    other = net()
    for step in range(passes):
        model.zero_grad(), other.zero_grad()
        output, expected = model(X), by_hand(other, streams, step)
        assert torch.equal(output, expected)
        output.square().mean().backward(), expected.square().mean().backward()
        for a, b in zip(model.parameters(), other.parameters(), strict=True):
            assert torch.allclose(a.grad, b.grad)


def two_calls(rules=DROP, **options):
    model = net()
    return model, [bridle.regularize(model, {name: rules}, **options) for name in ("0.1", "1.1")]


def undo_between(rules=DROP, **options):
    model = net()
    first = bridle.regularize(model, {"0.1": rules}, **options)
    second = bridle.regularize(model, {"1.1": rules}, **options)
    first.undo()
    return model, [bridle.regularize(model, {"0.1": rules}, **options), second]


def undone_other(**options):
    """The receipt that is left has stream 1, which a new process has to be told."""
    model = net()
    first = bridle.regularize(model, {"0.1": DROP}, **options)
    second = bridle.regularize(model, {"1.1": DROP}, **options)
    first.undo()
    return model, [second]


def parts_joined():
    model = net()
    return model, [bridle.regularize(model[index], {"1": DROP}) for index in range(2)]


def equal_name_elsewhere():
    model = nn.Sequential(net(), nn.Identity())
    first = bridle.regularize(model[0][0], {"1": DROP})
    second = bridle.regularize(model, {"1": DROP})
    return model, [first, second]


def tied():
    model = net()
    model.again = model[0]  # the same module under another name
    return model


def streams_of(receipts):
    return [noise.key[1] for receipt in receipts for noise in receipt.noises]


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


def test_the_third_call_takes_the_stream_that_is_free():
    model = nn.Sequential(*[nn.ReLU() for _ in range(3)])
    first, second = (bridle.regularize(model, {name: DROP}) for name in "01")
    first.undo()
    third = bridle.regularize(model, {"2": DROP})
    x = torch.ones(4, 64)
    assert not torch.equal(model[1](x), model[2](x))
    assert streams_of([second, third]) == [1, 0]


def test_programs_that_are_run_again_have_equal_masks():
    """A model that is built and regularized again is an independent one, with streams from 0."""
    for _ in range(2):
        model, receipts = two_calls()
        check_noise(model, (0, 1))
        assert streams_of(receipts) == [0, 1]


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


def test_parts_that_meet_in_a_loss_only_are_refused():
    encoder, decoder = part(5), part(16)
    for model in (encoder, decoder):
        bridle.regularize(model, {"1": DROP})
    with pytest.raises(UsageError, match="have the same masks"):
        decoder(encoder(X)).sum().backward()
    others = part(5), part(16)
    for seed, model in enumerate(others):
        bridle.regularize(model, {"1": DROP}, seed=seed)
    others[1](others[0](X)).sum().backward()
    for model in others:  # each in a pass of its own, as in independent fits
        model(torch.randn(6, model[0].in_features)).sum().backward()


def test_compiled_parts_that_are_joined_have_masks_of_their_own():
    model, receipts = parts_joined()
    run = torch.compile(model, backend="aot_eager", fullgraph=True)
    for step in range(2):
        assert torch.allclose(run(X), by_hand(net(), (0, 1), step))
    assert streams_of(receipts) == [0, 1]


class Together(nn.Module):
    """Models that see the same inputs."""

    def __init__(self, *models):
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, x):
        return [model(x) for model in self.models]


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


def test_a_copy_in_evaluation_changes_no_masks():
    """As that of an average of the weights, or of a teacher."""
    model, receipts = two_calls()
    model(X)
    teacher = copy.deepcopy(model).eval()
    output = Together(teacher, model)(X)[1]
    assert torch.equal(output, by_hand(net(), (0, 1), step=1))
    assert streams_of(receipts) == [0, 1]


def test_models_in_threads_have_the_masks_of_independent_fits():
    found = {}

    def fit(number):
        model, _ = two_calls()
        found[number] = [model(X) for _ in range(20)]

    threads = [threading.Thread(target=fit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = [by_hand(net(), (0, 1), step) for step in range(20)]
    for outputs in found.values():
        assert all(torch.equal(a, b) for a, b in zip(outputs, expected, strict=True))


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


def test_l2_on_the_same_module_in_two_calls_is_warned_of():
    model = net()
    optimizer = adam(model)
    bridle.regularize(model[0], {"0": L2}, optimizer=optimizer)
    with pytest.warns(RegularizationWarning, match="penalized twice"):
        bridle.regularize(model, {"0.0": L2}, optimizer=optimizer)


# ------------------------------------------------------------------ audit, resume


def built(feature):
    """Return a model, its receipts, and the number of its noises."""
    if feature == "same-module-twice":
        model = tied()
        receipts = [bridle.regularize(model, {nn.ReLU: DROP})]
    elif feature == "deepcopy":
        model, receipts = copy.deepcopy(two_calls())
    elif feature == "equal-name-elsewhere":
        model, receipts = equal_name_elsewhere()
    else:
        build = {"two-calls": two_calls, "undo-between": undo_between, "parts-joined": parts_joined}
        model, receipts = build[feature]()
    return model, receipts


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


def test_a_resumed_run_has_the_streams_that_an_undo_left():
    model, receipts = undone_other()
    model(X)
    state = receipts[0].state_dict()
    assert state == {"after 1.1": 1, "stream after 1.1": 1}
    again = net()
    receipt = bridle.regularize(again, {"1.1": DROP})
    receipt.load_state_dict(state)
    assert torch.equal(again(X), model(X))
    old = {"after 1.1": 1}  # a checkpoint of a first call has no streams
    receipt.load_state_dict(old)
    assert streams_of([receipt]) == [0]
