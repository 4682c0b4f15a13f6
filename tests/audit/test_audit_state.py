"""The audit changes nothing: generators, counters, modes, hooks; also after an error."""

import copy
import random

import numpy as np
import pytest
import torch
from audit_helpers import X, Y, cross_entropy, mlp, sgd
from audit_right_networks import Random
from torch import nn
from torch.nn.utils import prune

import bridle

STEPS, GENERATOR = 0, np.random.default_rng(5)


def loss_with_state(counts, log):
    seen = 0
    generator = torch.Generator().manual_seed(9)

    def loss(model, batch):
        global STEPS
        nonlocal seen
        STEPS += 1
        seen += 1
        counts["calls"] += 1
        log.append(float(torch.rand((), generator=generator)) + GENERATOR.random())
        return cross_entropy(model, batch) * (1 + log[-1])

    return loss, lambda: (seen, STEPS, dict(counts), list(log), generator.get_state().tolist(),
                          str(GENERATOR.bit_generator.state))  # fmt: skip


def model_with_state():
    model = Random()
    model.history, model.drop = [], nn.Dropout(0.5)
    generator = torch.Generator().manual_seed(4)

    def hook(module, args, output):
        model.history.append(1)
        return output + torch.rand((), generator=generator)

    model.two.register_forward_hook(hook)
    model.one.bias.requires_grad_(False)
    model.drop.eval()
    return model, generator


def everything(model, optimizer, generator):
    return {
        "state": copy.deepcopy(list(model.state_dict().values())),
        "gradients": copy.deepcopy([p.grad for p in model.parameters()]),
        "optimizer": copy.deepcopy(list(optimizer.state_dict()["state"].values())),
        "groups": [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups],
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state()[1].tolist(),
        "python": random.getstate(),
        "own": (model.torch.get_state(), str(model.numpy.bit_generator.state),
                model.python.getstate(), generator.get_state()),
        "attributes": (model.calls, list(model.history)),
        "modes": [module.training for module in model.modules()],
        "trained": [p.requires_grad for p in model.parameters()],
        "hooks": [(list(m._forward_hooks.values()), list(m._forward_pre_hooks.values()))
                  for m in model.modules()],
        "steps": [list(optimizer._optimizer_step_post_hooks.values())],
    }  # fmt: skip


def assert_same(before, after):
    flat, spec = torch.utils._pytree.tree_flatten(before)
    other, same = torch.utils._pytree.tree_flatten(after)
    assert spec == same
    for a, b in zip(flat, other, strict=True):
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("fails_at", [None, 1, 7, 20])
def test_nothing_changes(fails_at):
    torch.manual_seed(0)
    model, generator = model_with_state()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
    receipt = bridle.regularize(
        model, {"one": bridle.Dropout(keep_prob=0.5), "*": bridle.L1(0.1)}, optimizer=optimizer
    )
    cross_entropy(model, (X, Y)).backward()
    optimizer.step()
    loss, state_of_loss = loss_with_state({"calls": 0}, [])
    calls = iter(range(10_000))

    class FailedError(Exception):
        pass

    def checked(m, batch):
        if fails_at is not None and next(calls) >= fails_at:
            m.eval()
            raise FailedError
        return loss(m, batch)

    before = (everything(model, optimizer, generator), state_of_loss(), receipt.state_dict())
    if fails_at is None:
        bridle.audit(model, optimizer, (X, Y), loss=loss)
    else:
        with pytest.raises(FailedError):
            bridle.audit(model, optimizer, (X, Y), loss=checked)
    assert_same(before, (everything(model, optimizer, generator), state_of_loss(),
                         receipt.state_dict()))  # fmt: skip


def test_a_second_audit_says_the_same():
    torch.manual_seed(0)
    model = mlp(nn.Dropout(0.5), nn.BatchNorm1d(24))
    optimizer = sgd(model, momentum=0.9)
    bridle.regularize(model, {"*": bridle.L1(0.1)}, optimizer=optimizer)
    first = bridle.audit(model, optimizer, (X, Y))
    assert bridle.audit(model, optimizer, (X, Y)).to_dict() == first.to_dict()


def test_gradients_are_on_inside():
    torch.manual_seed(0)
    model = mlp(nn.Dropout(0.5))
    with torch.no_grad():
        assert bridle.audit(model, sgd(model), (X, Y)).passed


def test_a_pruned_model_can_be_copied_after_a_pass():
    model = mlp(nn.Dropout(0.5))
    prune.random_unstructured(model[0], "weight", 0.5)
    cross_entropy(model, (X, Y)).backward()
    assert bridle.audit(model, sgd(model), (X, Y)).passed
