"""What the integrations share: the message without a framework, rates from run to run."""

import importlib
import sys

import pytest
import torch
from torch import nn

import bridle

# the frameworks warn of their own use of torch and of small machines; none of it is bridle's
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    ("name", "packages"),
    [
        ("lightning", "lightning"),
        ("transformers", "accelerate transformers"),
        ("skorch", "skorch"),
    ],
)
def test_without_the_framework_it_says_what_to_install(name, packages, monkeypatch):
    for absent in (name, "pytorch_lightning"):
        for loaded in [each for each in sys.modules if each.split(".")[0] == absent]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.setitem(sys.modules, absent, None)
    monkeypatch.delitem(sys.modules, f"bridle.integrations.{name}", raising=False)
    with pytest.raises(ImportError, match=f"pip install {packages}$"):
        importlib.import_module(f"bridle.integrations.{name}")


def test_a_session_learns_rates_from_run_to_run():
    """Concrete dropout's rates join the optimizer of the run, and go on in the next."""
    from bridle.integrations.session import Session

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    session, rates = Session(), []
    for _ in range(2):
        parts = [{"params": list(model[0].parameters())}, {"params": list(model[2].parameters())}]
        optimizers = [torch.optim.Adam([part], lr=0.05) for part in parts]
        rules = {nn.ReLU: bridle.ConcreteDropout(drop_prob=0.3)}
        options = {"seed": 0, "mode": "proximal", "metric": "euclidean"}
        receipt = session.begin(model, optimizers, rules, **options)
        rates.append(receipt.noises[0].noise.keep_prob)
        for _ in range(5):
            model(torch.randn(20, 4)).square().mean().backward()
            for optimizer in optimizers:
                optimizer.step()
        rates.append(receipt.noises[0].noise.keep_prob)
        session.end()
        assert all(len(o.param_groups[0]["params"]) == 2 for o in optimizers)
    assert rates[1] != rates[0]
    assert rates[2] == rates[1]
    assert rates[3] != rates[2]
