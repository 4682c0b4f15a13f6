"""The audit over many programs: no failure where all acts, the right failure where not."""

import pytest
import torch
from audit_broken import BROKEN
from audit_right import RIGHT

import bridle

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", RIGHT)
def test_no_false_alarms(name, seed):
    torch.manual_seed(seed)
    model, optimizer, batch, loss = RIGHT[name]()
    audited = bridle.audit(model, optimizer, batch, loss=loss)
    assert audited.passed, str(audited)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", BROKEN)
def test_no_misses(name, seed):
    torch.manual_seed(seed)
    (model, optimizer, batch, loss), kind = BROKEN[name]()
    audited = bridle.audit(model, optimizer, batch, loss=loss)
    assert {f.kind for f in audited.findings if f.severity == "fail"} == {kind}, str(audited)
    assert audited.exit_code == 1


@pytest.mark.parametrize(
    ("name", "check", "reason"),
    [
        ("fresh_random_numbers", "gradients of the model", "cannot set back"),
        ("stopped_gradient", "gradients of the model: one.bias", "stops gradients"),
        ("weights_used_outside_of_modules", "penalties in the loss", "outside of a module's call"),
        ("two_models_on_one_optimizer", "attached penalties", "audit that model"),
        ("warm_up_by_schedule", "the step size of parameter group 0", "learning rate is 0"),
        ("one_of_two_entries", "noise at b.2", "does not use the part of the model"),
        ("dropout_module_that_only_holds_the_rate", "noise at drop", "is called instead"),
    ],
)
def test_what_was_not_checked_is_listed_with_the_reason(name, check, reason):
    torch.manual_seed(0)
    model, optimizer, batch, loss = RIGHT[name]()
    audited = bridle.audit(model, optimizer, batch, loss=loss)
    found = {each.check: each.detail for each in audited.checks if each.outcome == "not checked"}
    assert reason in found[check]
    assert f"not checked: {check}: " in str(audited)
    assert {"check": check, "outcome": "not checked", "detail": found[check]} in (
        audited.to_dict()["checks"]
    )


def test_a_passed_gradient_check_is_evidence():
    torch.manual_seed(0)
    model, optimizer, batch, loss = RIGHT["dropouts_of_torch"]()
    audited = bridle.audit(model, optimizer, batch, loss=loss)
    (passed,) = [each for each in audited.checks if each.check == "gradients of the model"]
    assert passed.outcome == "passed"
    assert "differences of the loss agree" in passed.detail
