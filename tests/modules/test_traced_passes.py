"""Passes that do not train: recorded by ``torch.fx``, of shapes alone, of no rows."""

import pytest
import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx

import bridle
from bridle.errors import RegularizationWarning, UsageError

DROP = bridle.Dropout(keep_prob=0.5)
CONNECT = bridle.DropConnect(keep_prob=0.5)


class Own(nn.Module):
    """Reads its weight itself, so that ``torch.fx`` traces its inside."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 4))

    def forward(self, x):
        return torch.relu(nn.functional.linear(x, self.weight))


def model_with(rules):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), Own())
    return model, bridle.regularize(model, rules)


RULES = [{"1": DROP}, {"1.weight": CONNECT}]


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("trace", [torch.fx.symbolic_trace, lambda m: make_fx(m)(torch.ones(3, 4))],
                         ids=["symbolic_trace", "make_fx"])  # fmt: skip
def test_a_trace_in_training_would_have_one_mask_for_good(rules, trace):
    model, receipt = model_with(rules)
    with pytest.raises(UsageError, match="one mask for good"):
        trace(model)
    assert set(receipt.state_dict().values()) == {0}


@pytest.mark.parametrize("rules", [*RULES, {"1": bridle.Dropout(keep_prob=0.5, scaling="classic")}])
def test_a_trace_in_evaluation_predicts_as_the_model_does(rules):
    model, _ = model_with(rules)
    with pytest.warns(RegularizationWarning, match="use it for prediction only"):
        traced = torch.fx.symbolic_trace(model.eval())
    x = torch.randn(3, 4)
    assert torch.equal(traced(x), model(x))
    assert [name for name, _ in traced.named_parameters()] == [
        name for name, _ in model.named_parameters()
    ]


def test_a_trace_with_a_scaled_weight_would_lose_the_parameter():
    model, _ = model_with({"1.weight": bridle.DropConnect(keep_prob=0.5, scaling="classic")})
    with pytest.raises(UsageError, match="scaled weight as a constant"):
        torch.fx.symbolic_trace(model.eval())


def test_a_pass_on_the_meta_device_counts_no_step_and_leaves_the_masks():
    rules = {"1": DROP, "1.weight": CONNECT}
    (model, receipt), (other, _) = model_with(rules), model_with(rules)
    state = model.state_dict()
    model.to("meta")(torch.ones(3, 4, device="meta")).sum().backward()
    assert set(receipt.state_dict().values()) == {0}
    model.to_empty(device="cpu").load_state_dict(state)
    x = torch.randn(3, 4)
    for _ in range(2):
        assert torch.equal(model(x), other(x))


def test_noise_that_is_placed_where_new_tensors_are_on_the_meta_device():
    rules = {"1": DROP, "1.weight": CONNECT}
    with torch.device("meta"):
        model, receipt = model_with(rules)
    other, _ = model_with(rules)
    model.to_empty(device="cpu").load_state_dict(other.state_dict())
    x = torch.randn(3, 4)
    assert torch.equal(model(x), other(x))
    assert set(receipt.state_dict().values()) == {1}


@pytest.mark.parametrize("noise", [
    bridle.GaussianDropout(keep_prob=0.5), bridle.AlphaDropout(keep_prob=0.5),
    bridle.SpatialDropout(keep_prob=0.5), bridle.ConcreteDropout(keep_prob=0.5),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("shape", [(0, 4, 5), (2, 0, 5), (2, 4, 0)])
def test_empty_batches(noise, shape):
    x = torch.zeros(shape, requires_grad=True)
    y = noise.train(x, bridle.address_of(seed=0))
    y.sum().backward()
    assert y.shape == x.grad.shape == shape


@pytest.mark.parametrize("kind", [bridle.AlphaDropout, bridle.FeatureAlphaDropout])
def test_alpha_dropout_compiles_with_dynamic_shapes(kind):
    rules = {"0": kind(keep_prob=0.5)}
    (model, _), (other, _) = model_with(rules), model_with(rules)
    compiled = torch.compile(model, dynamic=True, backend="aot_eager")
    for rows in (3, 5):
        x = torch.randn(rows, 4)
        torch.testing.assert_close(compiled(x), other(x))
