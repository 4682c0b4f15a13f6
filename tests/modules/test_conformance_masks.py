"""One mask per forward pass, in its backward pass and in its recomputation, however a model runs.

The conformance page is made from the ids of these tests: ``<feature>-<noise>``. Outputs and
gradients are compared with those of a plain net that is multiplied by the masks of the steps.
"""

import shutil

import pytest
import torch
from mask_features import CHECKPOINTS, COMPILED, NOISES, Reference, regularized, twice
from mask_refusals import REFUSED

from bridle.errors import UsageError

# warnings of torch's own: it reads .grad of every input where a compiled model has a graph break,
# and its default compiler imports what it deprecates
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*thrown away before its learned rates"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated"),
    pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad"),
    pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning"),
]
needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None, reason="torch's default compiler needs g++"
)


# ------------------------------------------------------------------ programs


def thrice(call):
    return lambda x: twice(call)(x) + call(x)


def train(call, x):
    """Three steps, each a forward and a backward pass."""
    for scale in (1, 2, 3):
        y = call(x * scale)
        y.square().sum().backward()
        yield y


def two_forwards(call, x):
    """Two forward passes before one backward pass, twice."""
    for scale in (1, 2):
        y, z = call(x * scale), call(x * (scale + 0.5))
        (y * z).sum().backward()
        yield from (y, z)


def backwards_in_reverse(call, x):
    """Three forward passes, then their backward passes, the first one last."""
    outputs = [call(x * scale) for scale in (1, 2, 3)]
    for y in reversed(outputs):
        y.square().sum().backward()
    yield from outputs


def without_backward(call, x):
    """Training passes without a backward pass, some without gradients, before those with one."""
    y = call(x)
    with torch.no_grad():
        z = call(x)
    with torch.inference_mode():
        w = call(x.detach())
    yield from (y, z, w.clone())
    yield from train(call, x)


def retained(call, x):
    """Two backward passes through one forward pass."""
    for scale in (1, 2):
        y = call(x * scale)
        y.square().sum().backward(retain_graph=True)
        y.sum().backward()
        yield y


def in_backward(call, x):
    """A fresh training pass in a hook of the backward pass; another with a backward of its own."""
    for scale in (1, 2):
        extra = []
        y = call(x * scale)

        def hook(grad, extra=extra, scale=scale):
            with torch.no_grad():
                extra.append(call(x.detach().requires_grad_() * scale))
            with torch.enable_grad():
                z = call(x.detach().requires_grad_() * scale)
                z.square().sum().backward()
                extra.append(z)

        y.register_hook(hook)
        y.square().sum().backward()
        yield from (y, *extra)


def autograd_grad(call, x):
    """Gradients without ``backward``."""
    for scale in (1, 2):
        y = call(x * scale)
        (grad,) = torch.autograd.grad(y.square().sum(), x)
        yield from (y, grad)


def gradient_penalty(call, x):
    """Gradients of gradients."""
    for scale in (1, 2):
        y = call(x * scale)
        (grad,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        (y.sum() + grad.square().sum()).backward()
        yield from (y, grad)


PROGRAMS = {
    "two-forwards": two_forwards,
    "backwards-in-reverse": backwards_in_reverse,
    "passes-without-backward": without_backward,
    "retain-graph": retained,
    "training-pass-in-backward": in_backward,
    "autograd-grad": autograd_grad,
    "gradient-penalty": gradient_penalty,
}


SEVERAL = {
    features[name]: thrice if name == "module-in-two-checkpoints" else twice
    for features in (CHECKPOINTS, COMPILED)
    for name in features
    if name.startswith("module-")
}


def check(program, wrap, noise, tolerance=1e-6):
    """Run a program with a noise and with its reference, and compare all that comes out."""
    net, receipt = regularized(noise)
    reference = Reference(net, receipt)
    x = torch.randn(8, 6, generator=torch.Generator().manual_seed(1))
    reference_call = SEVERAL.get(wrap, lambda call: call)(reference)
    own, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    ran = list(program(wrap(net), own))
    expected = list(program(reference_call, other))
    for place, (a, b) in enumerate(zip(ran, expected, strict=True)):
        assert torch.allclose(a, b, atol=tolerance), f"output {place}"
    learned = receipt.noises[0].noise.learned
    parameters = [*net.parameters(), *([] if learned is None else [learned])]
    for a, b in zip([*parameters, own], [*reference.parameters(), other], strict=True):
        assert (a.grad is None) == (b.grad is None)
        assert a.grad is None or torch.allclose(a.grad, b.grad, rtol=1e-4, atol=tolerance * 10)
    assert next(iter(receipt.state_dict().values())) == reference.step


IMPOSSIBLE = {  # in torch itself, with or without a noise
    # its reentrant checkpoint and functions without a double backward
    ("autograd-grad", "checkpoint-reentrant"),
    ("autograd-grad", "custom-function"),
    ("gradient-penalty", "checkpoint-reentrant"),
    ("gradient-penalty", "custom-function"),
    # what a selective checkpoint saves can be used once
    ("retain-graph", "checkpoint-selective"),
    ("gradient-penalty", "checkpoint-selective"),
    # RNNCell writes into what a selective checkpoint saves
    ("checkpoint-selective", "weight-drop"),
    ("checkpoint-selective-saves-all", "weight-drop"),
    ("module-twice-in-checkpoint-selective", "weight-drop"),
}


def table(features, noises):
    return [
        pytest.param(feature, noise, id=f"{feature}-{noise}")
        for feature in features
        for noise in noises
        if (feature, noise) not in IMPOSSIBLE
    ]


@pytest.mark.parametrize(("feature", "noise"), table(CHECKPOINTS, NOISES))
def test_masks(feature, noise):
    check(train, CHECKPOINTS[feature], noise)


SOME = ("dropout", "late-dropout", "drop-connect")
HOW = {
    "eager": "",
    "checkpoint-non-reentrant": "-in-checkpoint",
    "checkpoint-reentrant": "-in-checkpoint-reentrant",
    "custom-function": "-in-custom-function",
    "checkpoint-in-checkpoint": "-in-nested-checkpoints",
    "checkpoint-selective": "-in-checkpoint-selective",
}


@pytest.mark.parametrize(
    ("program", "wrap", "noise"),
    [
        pytest.param(program, wrap, noise, id=f"{program}{suffix}-{noise}")
        for program in PROGRAMS
        for wrap, suffix in HOW.items()
        if (program, wrap) not in IMPOSSIBLE
        for noise in SOME
    ],
)
def test_masks_in_programs(program, wrap, noise):
    check(PROGRAMS[program], CHECKPOINTS[wrap], noise)


@needs_compiler
@pytest.mark.parametrize(
    ("program", "wrap"),
    [
        pytest.param(program, wrap, id=f"{program}-in-{wrap}-dropout")
        for program in PROGRAMS
        for wrap in ("compile-default", "checkpoint-of-compiled")
        if program != "gradient-penalty"  # torch.compile has no double backward
    ],
)
def test_masks_in_compiled_programs(program, wrap):
    torch._dynamo.reset()
    check(PROGRAMS[program], COMPILED[wrap], "dropout", tolerance=1e-5)


@needs_compiler
@pytest.mark.parametrize(("feature", "noise"), table(COMPILED, SOME))
def test_masks_in_compiled_models(feature, noise):
    torch._dynamo.reset()
    check(train, COMPILED[feature], noise, tolerance=1e-5)


@pytest.mark.parametrize(("feature", "noise"), table(REFUSED, SOME))
def test_masks_that_are_refused(feature, noise):
    wrap, message = REFUSED[feature]
    net, _ = regularized(noise)
    y = wrap(net)(torch.randn(8, 6, requires_grad=True))
    with pytest.raises(UsageError, match=message):
        y.sum().backward()
