"""The counter of a noise: copies, loaded models, threads, and compiled code that models share."""

import copy
import io
import shutil
import threading

import pytest
import torch
from mask_features import Reference, perceptron, regularized, safe

import bridle
from bridle.modules import recomputation, step_counter
from bridle.modules.noise_hooks import noises_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated"),
    pytest.mark.skipif(shutil.which("g++") is None, reason="torch's compiler needs g++"),
]


def loaded(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def gradients(call, models, x):
    for model in models:
        model.zero_grad()
    y = call(x)
    y.sum().backward()
    return [y, *(p.grad.clone() for model in models for p in model.parameters())]


@pytest.mark.parametrize("again", [copy.deepcopy, loaded])
@pytest.mark.parametrize("wrap", [lambda model: model, torch.compile])
def test_a_model_and_its_copy_in_one_checkpoint(again, wrap):
    """Both have the same stream; their recomputation runs them in the other order."""
    torch._dynamo.reset()
    net, receipt = regularized("dropout")
    net(torch.ones(8, 6))
    other = again(net)
    other(torch.ones(8, 6))
    references = [Reference(net, receipt), Reference(other, receipt)]
    references[0].step, references[1].step = 1, 2
    x = torch.randn(8, 6)
    run, other_run = wrap(net), wrap(other)
    for _ in range(2):
        got = gradients(lambda x: safe(lambda z: run(z) * other_run(z), x), [net, other], x)
        expected = gradients(
            lambda x: references[0](x) * references[1](x), [r.net for r in references], x
        )
        for a, b in zip(got, expected, strict=True):
            assert torch.allclose(a, b, rtol=1e-4, atol=1e-5)


def test_models_of_one_structure_share_compiled_code():
    torch._dynamo.reset()
    compilations = []

    def backend(graph, inputs):
        compilations.append(graph)
        return graph.forward

    x = torch.randn(8, 6)
    for seed in range(4):
        net = perceptron()
        receipt = bridle.regularize(net, {"1": bridle.Dropout(keep_prob=0.5)}, seed=seed)
        reference = Reference(net, receipt)
        compiled = torch.compile(net, backend=backend)
        for step in range(3):
            mask = bridle.Dropout(keep_prob=0.5).train(
                torch.ones(8, 32), bridle.address_of(seed=seed, step=step)
            )
            first, relu, last = reference.net
            assert torch.allclose(compiled(x), last(relu(first(x)) * mask), atol=1e-5)
    assert len(compilations) == 1


def test_every_thread_recomputes_its_own_passes():
    torch._dynamo.reset()
    x = torch.randn(8, 6)
    different = []

    def work():
        net, receipt = regularized("dropout")
        reference = Reference(net, receipt)
        for _ in range(20):
            got = gradients(lambda x: safe(net, x), [net], x)
            expected = gradients(reference, [reference.net], x)
            different.extend(
                not torch.allclose(a, b, atol=1e-5) for a, b in zip(got, expected, strict=True)
            )

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert different
    assert not any(different)


def test_a_step_that_was_set_back_repeats_its_masks():
    net, receipt = regularized("dropout")
    x = torch.randn(8, 6)
    first = net(x)
    state = receipt.state_dict()
    second = net(x)
    receipt.load_state_dict(state)
    assert torch.equal(net(x), second)
    noises_of(net)[0].counter.step = 0
    assert torch.equal(net(x), first)


def test_unknown_ways_to_recompute_are_refused(monkeypatch):
    """As in a version of torch whose checkpoints are written in another way."""
    net, _ = regularized("dropout")
    monkeypatch.setattr(recomputation, "_marks", dict)
    net(torch.randn(8, 6)).sum().backward()
    with pytest.raises(bridle.UsageError, match="in a way that bridle does not know"):
        safe(net, torch.randn(8, 6))


def test_the_first_pass_of_all_may_be_in_a_transform(monkeypatch):
    """What later passes share, as the first one on each device makes it, is no transform's own."""
    monkeypatch.setattr(step_counter, "_steps", {})
    x = torch.randn(8, 6)
    net, _ = regularized("dropout")
    torch.func.grad(lambda x: net(x).sum())(x)
    expected = copy.deepcopy(net)(x)
    assert torch.equal(torch.compile(net, backend="aot_eager")(x), expected)
