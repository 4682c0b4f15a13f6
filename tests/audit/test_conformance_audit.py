"""Conformance of the audit: one test for each feature of a PyTorch program."""

import copy

import pytest
import torch
from audit_broken import BROKEN
from audit_helpers import X, Y, cross_entropy, kinds, mlp, sgd
from audit_right import RIGHT
from torch import nn
from torch.nn.utils import prune

import bridle

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

ACTS = {
    "matched-by-identity": ["a_part_was_regularized", "tied_weights"],
    "two-models-one-optimizer": ["two_models_on_one_optimizer"],
    "several-attachments": ["several_attachments_on_one_weight"],
    "maximize": ["maximize_coupled", "maximize_proximal", "maximize_adam"],
    "lbfgs": ["lbfgs", "lbfgs_with_line_search"],
    "learning-rate-zero": ["warm_up_by_schedule", "warm_up_by_hand", "weight_decay_in_a_warm_up"],
    "own-random-numbers": ["own_random_numbers", "own_random_numbers_in_the_loss",
                           "fresh_random_numbers", "sampled_in_evaluation"],
    "mixed-precision": ["mixed_precision", "half_precision"],
    "checkpoint": ["checkpoint", "reentrant_checkpoint"],
    "stopped-gradients": ["gradient_reversal", "straight_through", "stopped_gradient",
                          "gumbel_softmax"],
    "frozen-part-in-eval": ["frozen_backbone_in_evaluation"],
    "filled-optimizer-state": ["momentum", "adam", "adam_amsgrad"],
    "attention-and-recurrence": ["attention_and_recurrence",
                                 "dropout_module_that_only_holds_the_rate"],
}  # fmt: skip
FAILS = {
    "wrong-gradient": ["draws_again", "next_seed", "one_factor_short", "functional", "on_weights",
                       "numpy_in_the_backward_pass"],
    "checkpoint-without-rng-state": ["checkpoint_without_the_random_state",
                                     "checkpoint_at_a_low_rate", "reentrant_checkpoint"],
    "dropout-in-eval": ["dropout_in_evaluation", "noise_of_bridle_in_evaluation",
                        "drop_connect_in_evaluation", "attention_in_evaluation",
                        "trained_part_in_evaluation"],
    "other-entry": ["never_attached", "never_attached_with_a_training_step",
                    "noise_at_a_forward_that_is_bypassed", "dropout_that_only_forward_calls"],
    "weight-written-after-noise": ["weight_written_after_the_noise"],
    "equal-names": ["penalty_on_another_model_of_equal_names"],
    "wrapped-model": ["penalty_requested_for_a_wrapped_model"],
}  # fmt: skip


@pytest.mark.parametrize("feature", ACTS, ids=lambda feature: f"{feature}-audit")
def test_what_acts_passes(feature):
    for name in ACTS[feature]:
        torch.manual_seed(3)
        model, optimizer, batch, loss = RIGHT[name]()
        audited = bridle.audit(model, optimizer, batch, loss=loss)
        assert audited.passed, (name, str(audited))


@pytest.mark.parametrize("feature", FAILS, ids=lambda feature: f"{feature}-audit")
def test_what_does_not_act_fails(feature):
    for name in FAILS[feature]:
        torch.manual_seed(3)
        (model, optimizer, batch, loss), kind = BROKEN[name]()
        found = kinds(bridle.audit(model, optimizer, batch, loss=loss))
        assert {each for each, _ in found} == {kind}, (name, found)


def _copied_optimizer():
    """The verdict is that of a real step: exact zeros, or none and a failure."""
    for together in (True, False):
        torch.manual_seed(0)
        model = mlp()
        optimizer = sgd(model)
        bridle.regularize(model, {"*": bridle.L1(5.0)}, optimizer=optimizer)
        if together:
            model, optimizer = copy.deepcopy((model, optimizer))
        else:
            optimizer = sgd(model)  # made anew
        passed = bridle.audit(model, optimizer, (X, Y)).passed
        cross_entropy(model, (X, Y)).backward()
        optimizer.step()
        assert passed == bool((model[0].weight == 0).any())


def _pruned_module():
    """The verdict is that of two training passes: equal or not."""
    torch.manual_seed(0)
    model = mlp()
    prune.random_unstructured(model[0], "weight", 0.5)
    bridle.regularize(model, {"0": bridle.DropConnect(keep_prob=0.5)})
    audited = bridle.audit(model, sgd(model), (X, Y))
    assert audited.passed != torch.equal(model(X), model(X)), str(audited)


def _late_compile():
    torch.manual_seed(0)
    torch._dynamo.reset()
    model = mlp()
    fast = torch.compile(model, backend="aot_eager")
    fast(X).sum().backward()
    optimizer = sgd(fast)
    receipt = bridle.regularize(
        fast, {nn.ReLU: bridle.Dropout(keep_prob=0.5), "*": bridle.L1(0.1)}, optimizer=optimizer
    )
    audited = bridle.audit(fast, optimizer, (X, Y))
    assert audited.passed != torch.equal(fast(X), fast(X)), str(audited)
    assert [e.parameter for e in audited.effects] == ["0.weight", "2.weight"]
    receipt.undo()


def _whole_model_in_evaluation():
    model = mlp(nn.Dropout(0.5)).eval()
    audited = bridle.audit(model, sgd(model), (X, Y))
    assert audited.passed
    assert kinds(audited, "warn") == {("evaluation mode", "the model")}
    assert not model.training


def _changes_nothing():
    torch.manual_seed(0)
    model = mlp(nn.BatchNorm1d(24), nn.Dropout(0.5))
    model.generator = torch.Generator().manual_seed(1)
    optimizer = sgd(model, momentum=0.9)
    receipt = bridle.regularize(
        model, {nn.ReLU: bridle.Dropout(keep_prob=0.5), "*": bridle.L1(0.1)}, optimizer=optimizer
    )

    def state():
        return [*copy.deepcopy(list(model.state_dict().values())), torch.get_rng_state(),
                model.generator.get_state(), receipt.state_dict()]  # fmt: skip

    before = state()
    bridle.audit(model, optimizer, (X, Y))
    for one, two in zip(before, state(), strict=True):
        assert torch.equal(one, two) if isinstance(one, torch.Tensor) else one == two


OTHERS = {
    "copied-optimizer": _copied_optimizer,
    "pruned-module": _pruned_module,
    "late-compile": _late_compile,
    "model-in-eval": _whole_model_in_evaluation,
    "changes-nothing": _changes_nothing,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("feature", OTHERS, ids=lambda feature: f"{feature}-audit")
def test_the_verdict_is_that_of_real_steps(feature):
    OTHERS[feature]()
