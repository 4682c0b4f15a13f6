"""Activations that no mask fits, and weights in containers that are never called."""

import pytest
import torch
from torch import nn

import bridle
from bridle.errors import UsageError

HALF = bridle.Dropout(keep_prob=0.5)
CONNECT = bridle.DropConnect(keep_prob=0.5)


def _jagged():
    parts = [torch.ones(2, 4), torch.ones(3, 4)]
    return torch.nested.nested_tensor(parts, layout=torch.jagged)


ACTIVATIONS = {
    "nested": _jagged,
    "sparse_coo": lambda: torch.eye(4).to_sparse(),
    "float8_e4m3fn": lambda: torch.ones(3, 4).to(torch.float8_e4m3fn),
    "torch.int64": lambda: torch.ones(3, 4, dtype=torch.int64),
    "torch.complex64": lambda: torch.ones(3, 4, dtype=torch.complex64),
}


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_an_activation_without_addresses_is_refused(kind):
    model = nn.Sequential(nn.Identity())
    receipt = bridle.regularize(model, {"0": HALF})
    with pytest.raises(UsageError, match=f"got a {kind} tensor; it needs a"):
        model(ACTIVATIONS[kind]())
    assert set(receipt.state_dict().values()) == {0}


class Listed(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.ParameterList([torch.ones(4, 8), torch.ones(8, 2)])
        self.d = nn.ModuleDict({"x": nn.ParameterDict({"a": torch.ones(2, 2)})})

    def forward(self, x):
        for w in self.w:
            x = x @ w
        return x @ self.d["x"]["a"]


@pytest.mark.parametrize(("name", "shape"), [("w.0", (4, 8)), ("w.1", (8, 2)), ("d.x.a", (2, 2))])
def test_a_weight_in_a_list_is_masked_by_what_reads_it(name, shape):
    model = nn.Sequential(Listed())
    plain = dict(model.named_parameters())
    receipt = bridle.regularize(model, {f"0.{name}": CONNECT})
    mask = CONNECT.train(torch.ones(shape), bridle.address_of(seed=0, step=0))
    x = torch.eye(4)
    y = model(x)
    y.square().sum().backward()
    given = {each: w.detach().clone() for each, w in plain.items()}
    given[f"0.{name}"].requires_grad_()
    masked = given | {f"0.{name}": given[f"0.{name}"] * mask}
    expected = torch.func.functional_call(nn.Sequential(Listed()), masked, (x,))
    expected.square().sum().backward()
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(plain[f"0.{name}"].grad, given[f"0.{name}"].grad)
    batch = torch.randn(8, 4), torch.arange(8) % 2
    assert bridle.audit(model, torch.optim.SGD(model.parameters(), lr=0.1), batch).passed
    receipt.undo()
    assert all(now is plain[each] for each, now in model.named_parameters())
