"""The default optimizer is torch's Adam, without what imports torch's compiler."""

import subprocess
import sys

import pytest
import torch

from bridle.networks.eager_adam import EagerAdam


def _trained(kind, **options):
    generator = torch.Generator().manual_seed(0)
    weights = [torch.nn.Parameter(torch.randn(4, 3, generator=generator)) for _ in range(2)]
    optimizer = kind(weights, lr=0.1, **options)
    for step in range(5):
        optimizer.zero_grad(set_to_none=True)
        loss = (weights[0] @ weights[1].T).square().sum()
        (loss if step else weights[0].sum()).backward()  # at first, one has no gradient
        optimizer.step()
    return weights, optimizer.state_dict()


@pytest.mark.parametrize("options", [{"fused": True}, {"weight_decay": 0.1, "amsgrad": True}])
def test_updates_are_those_of_torch_bit_for_bit(options):
    (found, state), (expected, other) = (
        _trained(k, **options) for k in (EagerAdam, torch.optim.Adam)
    )
    assert all(map(torch.equal, found, expected))
    assert state["param_groups"] == other["param_groups"]
    for place, values in other["state"].items():
        assert all(torch.equal(state["state"][place][name], v) for name, v in values.items())


def test_training_on_a_plain_table_imports_no_compiler_and_no_detector(tmp_path):
    (tmp_path / "table.csv").write_text("x,y\n" + "1,2\n3,4\n" * 5)
    code = (
        "import sys, torch, bridle\n"
        "from bridle.tables import read_table\n"
        "X = torch.tensor(read_table(sys.argv[1]).to_numpy().copy()).float()\n"
        "data = bridle.Dataset(X[:, :1], X[:, 1])\n"
        "bridle.train(bridle.Network([1, 1]), data, data, objective='squared_error', epochs=1)\n"
        "names = ('torch._dynamo', 'clevercsv', 'skrub', 'matplotlib', 'altair')\n"
        "print([name for name in names if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "table.csv")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
