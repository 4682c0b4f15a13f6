"""Attached penalties in copies, files and replaced parameters: they go along, or it is said.

The name of each case is ``<feature>-<column>`` of the conformance matrix.
"""

import copy
import io
import subprocess
import sys
import textwrap
import warnings

import pytest
import torch
from torch import nn

import bridle
from bridle import L1, L2, Annealed, ConcreteDropout, LinearSchedule, MaxNorm, UsageError
from bridle.modules.attachment import attachments_of

F = nn.functional
X = torch.randn(8, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
Y = torch.arange(8) % 3


def cell(name):
    return pytest.mark.parametrize("cell", [pytest.param(name, id=name)])


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)).double()


def sgd(model, lr=0.1):
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.5)


def step(model, optimizer):
    optimizer.zero_grad()
    F.cross_entropy(model(X), Y).backward()
    optimizer.step()


def through_file(value):
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES = {
    "deepcopy": copy.deepcopy,
    "deepcopy-of-a-copy": lambda value: copy.deepcopy(copy.deepcopy(value)),
    "torch-save": through_file,
    "torch-save-of-a-copy": lambda value: through_file(copy.deepcopy(value)),
}
RULES = {
    "*": [L1(0.3), Annealed(L2(0.4), LinearSchedule(0.0, 1.0, steps=6))],
    "2.*": MaxNorm(0.4),
    nn.ReLU: bridle.Dropout(keep_prob=0.5),
}


@pytest.mark.parametrize("how", [pytest.param(name, id=f"{name}-penalty") for name in COPIES])
@pytest.mark.parametrize("order", ["model first", "optimizer first", "receipt between"])
def test_a_copied_optimizer_penalizes_the_copy(how, order):
    model = network()
    optimizer = sgd(model)
    receipt = bridle.regularize(model, RULES, optimizer=optimizer)
    step(model, optimizer)
    if order == "model first":
        twin, other = COPIES[how]((model, optimizer))
    elif order == "optimizer first":
        other, twin = COPIES[how]((optimizer, model))
    else:
        twin, copied, other = COPIES[how]((model, receipt, optimizer))
        assert copied.attachments == attachments_of(other)
    (attached,) = attachments_of(other)
    assert attached is not receipt.attachments[0]
    held = {id(parameter) for parameter in twin.parameters()}
    assert {id(each) for each in attached.parameters.values()} <= held
    kept = [parameter.detach().clone() for parameter in twin.parameters()]
    for _ in range(3):
        step(model, optimizer)
    for parameter, before in zip(twin.parameters(), kept, strict=True):
        assert torch.equal(parameter, before)
    for _ in range(3):
        step(twin, other)
    for one, two in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, two)
    assert (twin[0].weight == 0).any()
    assert attached.step == receipt.attachments[0].step == 4
    if order == "receipt between":
        copied.undo()
        assert not attachments_of(other)
        assert attachments_of(optimizer)
    attached.detach()
    assert not other._optimizer_step_pre_hooks
    assert attachments_of(optimizer)


@pytest.mark.parametrize("how", [pytest.param(name, id=f"{name}-audit") for name in COPIES])
def test_the_audit_of_a_copy_is_that_of_the_original(how):
    model = network()
    optimizer = sgd(model)
    bridle.regularize(model, {"*": L1(0.01)}, optimizer=optimizer)
    twin, other = COPIES[how]((model, optimizer))
    for one, two in ((model, optimizer), (twin, other)):
        audited = bridle.audit(one, two, (X, Y))
        assert audited.passed
        assert [effect.route for effect in audited.effects] == ["prox", "prox"]


@pytest.mark.parametrize("how", [pytest.param(name, id=f"{name}-penalty") for name in COPIES])
@pytest.mark.parametrize("entry", ["regularize", "attach"])
def test_a_copy_with_a_new_optimizer_says_that_penalties_are_gone(how, entry):
    model = network()
    optimizer = sgd(model)
    if entry == "regularize":
        bridle.regularize(model, {"*": L1(0.01)}, optimizer=optimizer)
    else:
        bridle.attach(optimizer, {"*": L1(0.01)}, model=model)
    twin = COPIES[how](model)
    other = sgd(twin)
    audited = bridle.audit(twin, other, (X, Y))
    assert {finding.kind for finding in audited.findings} == {"no-op penalty"}
    with pytest.warns(bridle.RegularizationWarning, match=r"penalties of 0\.weight, 2\.weight are"):
        step(twin, other)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step(twin, other)  # once
        step(model, optimizer)
        again = COPIES[how](model)
        third = sgd(again)
        bridle.attach(third, {"*": L1(0.01)}, model=again)
        step(again, third)
    assert bridle.audit(again, third, (X, Y)).passed


@cell("deepcopy-penalty")
def test_a_copy_that_is_never_trained_says_nothing(cell):
    model = network()
    optimizer = sgd(model)
    receipt = bridle.regularize(model, {"*": L1(0.01)}, optimizer=optimizer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        average = torch.optim.swa_utils.AveragedModel(model)
        step(model, optimizer)
        average.update_parameters(model)
        receipt.undo()
        twin = copy.deepcopy(model)  # after the undo, it has no penalties to lose
        step(twin, sgd(twin))


@cell("deepcopy-penalty")
def test_learned_rates_go_along(cell):
    model = network()
    optimizer = sgd(model)
    bridle.regularize(model, {nn.ReLU: ConcreteDropout(keep_prob=0.8)}, optimizer=optimizer)
    twin, other = copy.deepcopy((model, optimizer))
    for _ in range(3):
        step(model, optimizer)
        step(twin, other)
    for ours, theirs in zip(optimizer.param_groups, other.param_groups, strict=True):
        for one, two in zip(ours["params"], theirs["params"], strict=True):
            assert torch.equal(one, two)


@cell("torch-save-penalty")
def test_penalties_act_in_another_process(cell, tmp_path):
    model = network()
    optimizer = sgd(model)
    bridle.regularize(model, {"*": L1(0.3)}, optimizer=optimizer)
    torch.save((model, optimizer, X, Y), tmp_path / "both.pt")
    code = f"""
        import torch
        model, optimizer, X, Y = torch.load({str(tmp_path / "both.pt")!r}, weights_only=False)
        optimizer.register_step_post_hook(lambda *_: None)  # a hook of the user's, beside ours
        torch.nn.functional.cross_entropy(model(X), Y).backward()
        optimizer.step()
        print(int((model[0].weight == 0).sum()))
        """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    step(model, optimizer)
    assert int(ran.stdout) == int((model[0].weight == 0).sum()) > 0


@cell("load-state-dict-penalty")
def test_loaded_optimizer_states_keep_the_penalties(cell):
    model, twin = network(), network()
    optimizer, other = sgd(model), sgd(twin)
    for each, its in ((model, optimizer), (twin, other)):
        bridle.attach(its, {"*": L1(0.1)}, model=each)
    step(model, optimizer)
    saved = io.BytesIO()
    torch.save((model.state_dict(), optimizer.state_dict()), saved)
    saved.seek(0)
    weights, state = torch.load(saved, weights_only=True)
    twin.load_state_dict(weights)
    other.load_state_dict(state)
    for _ in range(3):
        step(model, optimizer)
        step(twin, other)
    for one, two in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, two)


@cell("load-state-dict-assign-penalty")
def test_replaced_parameters_are_told_and_refused(cell):
    model = network()
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": L1(0.1)}, model=model)
    step(model, optimizer)
    with pytest.warns(bridle.RegularizationWarning, match=r"0\.weight, 2\.weight were replaced"):
        model.load_state_dict(network(1).state_dict(), assign=True)
    model.zero_grad()
    optimizer.zero_grad()
    F.cross_entropy(model(X), Y).backward()
    with pytest.raises(UsageError, match=r"0\.weight has been replaced, pruned or parametrized"):
        optimizer.step()
    other = sgd(model)
    with pytest.warns(bridle.RegularizationWarning, match="penalties of .* are gone"):
        step(model, other)
    third = sgd(model)
    bridle.attach(third, {"*": L1(0.1)}, model=model)
    step(model, third)
    assert attachments_of(third)[0].step == 1


@cell("swapped-parameters-penalty")
@pytest.mark.parametrize("swap", [True, False])
def test_a_conversion_keeps_the_penalties_or_is_refused(cell, swap):
    model = network()
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": L1(0.3)}, model=model)
    future = torch.__future__
    change = (
        future.set_swap_module_params_on_conversion
        if swap
        else future.set_overwrite_module_params_on_conversion
    )
    change(True)
    try:
        model.float()
    finally:
        change(False)
    optimizer.zero_grad()
    F.cross_entropy(model(X.float()), Y).backward()
    if swap:
        optimizer.step()
        assert (model[0].weight == 0).any()
    else:
        with pytest.raises(UsageError, match=r"0\.weight has been replaced"):
            optimizer.step()


@cell("pruned-later-penalty")
def test_a_weight_that_is_changed_after_the_attachment(cell):
    model = network()
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": L1(0.1)}, model=model)
    nn.utils.prune.l1_unstructured(model[0], "weight", 0.5)
    step(model, optimizer)  # L1 of what is left is L1 of the parameter, entry by entry
    model = network()
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": MaxNorm(1.0)}, model=model)
    nn.utils.prune.l1_unstructured(model[0], "weight", 0.5)
    with pytest.raises(UsageError, match="replaced, pruned or parametrized since"):
        step(model, optimizer)
    model = network()
    optimizer = sgd(model)
    bridle.attach(optimizer, {"*": L1(0.1)}, model=model)
    nn.utils.parametrizations.spectral_norm(model[0])
    with pytest.raises(UsageError, match="replaced, pruned or parametrized since"):
        step(model, optimizer)
