"""Masks under checkpointing, compilation, several processes, copies and errors."""

import copy
import functools
import shutil
import subprocess
import sys
import textwrap
import threading

import pytest
import torch
from regularize_helpers import CONNECT, DROP, mlp
from torch import nn
from torch.utils.checkpoint import checkpoint

import bridle
from bridle.modules.noise_hooks import noises_of

# warnings of torch 2.13's own: it reads .grad of every input where a compiled model has a graph
# break, and its default compiler imports what it deprecates
pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated"),
]


def test_activation_checkpointing_draws_the_same_masks_again():
    class Checkpointed(nn.Module):
        def __init__(self, body):
            super().__init__()
            self.body = body

        def forward(self, x):
            return checkpoint(self.body, x, use_reentrant=False)

    torch.manual_seed(0)
    model, x = mlp()
    other = Checkpointed(copy.deepcopy(model))
    bridle.regularize(model, {nn.ReLU: DROP, "2": CONNECT})
    bridle.regularize(other.body, {nn.ReLU: DROP, "2": CONNECT})
    for _ in range(3):
        for net in (model, other):
            net.zero_grad()
            net(x).square().sum().backward()
        for a, b in zip(model.parameters(), other.parameters(), strict=True):
            assert torch.equal(a.grad, b.grad)


def test_a_model_checkpointed_twice_in_a_pass_takes_its_two_masks_again():
    torch.manual_seed(0)
    model, x = mlp()
    other = copy.deepcopy(model)
    for net in (model, other):
        bridle.regularize(net, {"1": DROP})
    for net, run in ((model, model), (other, functools.partial(checkpoint, other))):
        options = {} if run is model else {"use_reentrant": False}
        (run(x, **options) * run(2 * x, **options)).sum().backward()
        assert noises_of(net)[0].counter.step == 2
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


def test_a_compiled_model_is_one_graph_with_the_same_masks():
    torch.manual_seed(0)
    model, x = mlp()
    other = copy.deepcopy(model)
    for net in (model, other):
        bridle.regularize(net, {nn.ReLU: DROP, "0": bridle.Before(DROP)})
    compiled = torch.compile(other, backend="aot_eager", fullgraph=True)
    for _ in range(3):
        assert torch.allclose(model(x), compiled(x), atol=1e-6)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch's default compiler needs g++")
@pytest.mark.parametrize("rule", [{nn.ReLU: DROP}, {nn.ReLU: DROP, "2": CONNECT}])
def test_gradients_of_a_compiled_model_have_the_mask_of_its_forward_pass(rule):
    """Under the default backend: its backward pass reads the address again."""
    torch.manual_seed(0)
    model, x = mlp()
    other = copy.deepcopy(model)
    for net in (model, other):
        bridle.regularize(net, rule)
    compiled = torch.compile(other)
    for _ in range(3):
        for net, run in ((model, model), (other, compiled)):
            net.zero_grad()
            run(x).square().sum().backward()
        for a, b in zip(model.parameters(), other.parameters(), strict=True):
            assert torch.allclose(a.grad, b.grad, atol=1e-5)


@pytest.mark.parametrize("first", [None, {"1": DROP}])
def test_a_compiled_model_of_the_same_shape_shares_no_code_with_another_rule(first):
    """torch's default takes what it compiled for a model, hooks and all, for the next one."""
    torch._dynamo.reset()
    torch._dynamo.config.skip_nnmodule_hook_guards = True
    model, x = mlp()
    other, plain = copy.deepcopy(model), copy.deepcopy(model)
    if first is not None:
        bridle.regularize(model, first)
    torch.compile(model, backend="aot_eager")(x)
    for net in (other, plain):
        bridle.regularize(net, {nn.ReLU: DROP, "2": CONNECT})
    compiled = torch.compile(other, backend="aot_eager")
    for _ in range(2):
        assert torch.allclose(plain(x), compiled(x), atol=1e-6)


def test_noise_acts_in_compiled_models_of_every_thread():
    """torch keeps its settings by thread, and so does what a thread does not set."""
    model, x = mlp()
    plain = copy.deepcopy(model)
    bridle.regularize(model, {nn.ReLU: DROP})
    outputs = []

    def work():
        torch.compile(plain, backend="aot_eager")(x)
        outputs.extend(torch.compile(model, backend="aot_eager")(x) for _ in range(2))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not torch.allclose(*outputs)


LOADED = """
    import sys, torch
    from torch import nn
    model = torch.load(sys.argv[1], weights_only=False)
    layers = [nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3)]
    plain, x = nn.Sequential(*layers), torch.ones(7, 5)
    torch.compile(plain, backend="aot_eager")(x)
    compiled = torch.compile(model, backend="aot_eager")
    print(torch.allclose(compiled(x), compiled(x)))
"""


def test_noise_acts_in_a_compiled_model_that_was_loaded(tmp_path):
    model, _ = mlp()
    bridle.regularize(model, {nn.ReLU: DROP})
    torch.save(model, tmp_path / "model.pt")
    command = [sys.executable, "-c", textwrap.dedent(LOADED), tmp_path / "model.pt"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.stdout.strip() == "False", ran.stderr


def test_a_model_that_was_compiled_before_gets_its_noise():
    model, x = mlp()
    compiled = torch.compile(model, backend="aot_eager")
    compiled(x)
    receipt = bridle.regularize(compiled, {nn.ReLU: DROP})
    assert not torch.allclose(compiled(x), compiled(x))
    receipt.undo()
    assert torch.equal(compiled(x), compiled(x))


def test_drop_connect_in_a_compiled_model():
    torch.manual_seed(0)
    model, x = mlp()
    other = copy.deepcopy(model)
    for net in (model, other):
        bridle.regularize(net, {"2": CONNECT})
    compiled = torch.compile(other, backend="aot_eager")
    for _ in range(3):
        assert torch.allclose(model(x), compiled(x), atol=1e-6)
    assert "weight" not in other[2].__dict__


def test_processes_share_no_rows(monkeypatch):
    x = torch.ones(8, 40)
    layer = nn.Identity()
    bridle.regularize(layer, {nn.Identity: DROP})
    whole = layer(x)
    parts = []
    for rank in range(2):
        monkeypatch.setattr("bridle.modules.noise_hooks._rank", lambda rank=rank: (rank, 2))
        noises_of(layer)[0].counter.step = 0
        parts.append(layer(x[rank::2]))
    assert torch.equal(torch.stack(parts, 1).flatten(0, 1), whole)


def test_a_copy_has_masks_of_its_own():
    model, x = mlp()
    bridle.regularize(model, {nn.ReLU: DROP})
    other = copy.deepcopy(model)
    other(x)
    assert [noise.counter.step for noise in noises_of(model)] == [0, 0]
    assert [noise.counter.step for noise in noises_of(other)] == [1, 1]


def test_an_error_in_the_forward_leaves_no_masked_weight():
    model, _ = mlp()
    bridle.regularize(model, {"0": CONNECT})
    with pytest.raises(RuntimeError):
        model(torch.randn(2, 4))
    assert "weight" not in model[0].__dict__
