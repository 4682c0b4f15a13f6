"""N:M patterns, and the conversion to torch's semi-structured weights where a GPU has them."""

import itertools
import re

import pytest
import torch
from torch import nn

from bridle import UsageError
from bridle.sparsity import n_m_pattern, semi_structured, to_semi_structured

GPU = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)


@pytest.mark.parametrize(("n", "m"), [(1, 2), (2, 4), (1, 4), (4, 8)])
def test_pattern_counts_each_group(n, m):
    weight = torch.randint(0, 2, (6, 3 * m), generator=torch.Generator().manual_seed(n * m)).float()
    wrong = sum(
        sum(float(row[at + k]) != 0 for k in range(m)) > n
        for row, at in itertools.product(weight, range(0, 3 * m, m))
    )
    found = n_m_pattern(weight, n, m)
    assert (found.groups, found.wrong, found.rest) == (18, wrong, 0)
    assert wrong
    assert not found.holds
    weight.view(6, 3, m)[..., n:] = 0
    assert n_m_pattern(weight, n, m).holds
    assert str(n_m_pattern(weight, n, m)) == f"{n}:{m}"


def test_pattern_of_rows_that_no_group_fills():
    found = n_m_pattern(torch.zeros(2, 6))
    assert not found.holds
    assert str(found) == "not 2:4: 2 weights of each row fill no group"
    assert n_m_pattern(torch.zeros(3, 2, 2, 8)).groups == 24


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: n_m_pattern(torch.ones(4), 4, 4), "n is 4 and m is 4; give 1 <= n < m"),
        (lambda: n_m_pattern(torch.tensor(1.0)), "the weight is a scalar"),
        (lambda: to_semi_structured(3, torch.ones(2)), "model is a int; give a torch.nn.Module"),
        (
            lambda: to_semi_structured(nn.Linear(64, 64), torch.ones(2, 64)),
            "need an NVIDIA GPU of compute capability 8.0 or higher, but the model is on the cpu",
        ),
    ],
)
def test_refusals(call, text):
    with pytest.raises(UsageError, match=re.escape(text)):
        call()


def halves(dtype, device):
    torch.manual_seed(0)
    layers = [nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)]
    model = nn.Sequential(*layers).to(device, dtype)
    with torch.no_grad():
        for layer in (model[0], model[4]):
            layer.weight.view(-1, 4)[:, 2:] = 0
    return model


def test_what_torch_does_not_convert_stays(monkeypatch):
    monkeypatch.setattr(semi_structured, "_refuse_device", lambda device: None)
    model = halves(torch.float16, "cpu")
    result = to_semi_structured(model, torch.randn(4, 128, dtype=torch.float16))
    assert not result.layers
    assert "layer '0' stays as it is: torch does not convert its weight (" in result.kept[0]
    assert re.search(r"layer '2' .* not 2:4: \d+ of 2048 groups have more weights", result.kept[1])


@pytest.mark.skipif(not GPU, reason="no GPU with sparse tensor cores")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_predictions_on_a_gpu(dtype):
    model = halves(dtype, "cuda")
    x = torch.randn(64, 128, dtype=dtype, device="cuda")
    result = to_semi_structured(model, x)
    assert [layer.name for layer in result.layers] == ["0"]
    assert result.layers[0].bytes_after < result.layers[0].bytes_before
    slack = torch.finfo(dtype).eps ** 0.5
    assert torch.allclose(result.model(x), model(x), rtol=slack, atol=slack)
    assert model[0].weight.layout == torch.strided
