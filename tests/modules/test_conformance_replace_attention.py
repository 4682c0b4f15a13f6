"""``replace_dropout`` in torch's attention, beside the same layer by hand."""

import copy
import pickle

import pytest
import torch
from replace_helpers import close, feature, outcome
from torch import nn

import bridle
from bridle.errors import UsageError
from bridle.ops import address_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated"),
]
RATE = 0.3


class ByHand(nn.Module):
    """The encoder layer by hand, with torch's weights and given masks."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        def drop(x, stream):
            return bridle.Dropout(drop_prob=RATE).train(x, address_of(5, stream=stream))

        own, rows = self.layer.self_attn, x.shape[0]
        q, k, v = (x @ own.in_proj_weight.T + own.in_proj_bias).chunk(3, -1)
        q, k, v = (part.view(rows, -1, 2, 4).transpose(1, 2) for part in (q, k, v))
        weights = drop((q @ k.mT / 2).softmax(-1), 0)
        mixed = (weights @ v).transpose(1, 2).reshape(x.shape)
        x = self.layer.norm1(x + drop(own.out_proj(mixed), 2))
        return self.layer.norm2(
            x + drop(self.layer.linear2(drop(self.layer.linear1(x).relu(), 1)), 3)
        )


@pytest.mark.parametrize(
    "compiled", [feature("transformer", False), feature("transformer-compile", True)]
)
def test_an_encoder_layer_is_that_by_hand(compiled):
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=RATE, batch_first=True).double()
    replaced = bridle.replace_dropout(layer, seed=5)
    assert replaced.left == {}
    X = torch.randn(3, 4, 8, dtype=torch.float64)
    wanted = outcome(ByHand(layer), layer, X)
    close(outcome(torch.compile(layer) if compiled else layer, layer, X), wanted)
    assert set(replaced.state_dict().values()) == {1, 5}  # steps, and the seed


@pytest.mark.parametrize(
    "batch_first", [feature("attention", True), feature("attention-time-first", False)]
)
@pytest.mark.parametrize(
    "options", [{}, {"add_bias_kv": True, "add_zero_attn": True, "kdim": 6, "vdim": 6}]
)
def test_attention_without_dropout_is_that_of_evaluation(batch_first, options):
    """All paths of torch's attention: masks, padding, added keys, weights, one example."""
    module = nn.MultiheadAttention(8, 2, dropout=RATE, batch_first=batch_first, **options)
    module = module.double()
    bridle.replace_dropout(module)
    module.dropout = 0.0
    q = torch.randn(4, 5, 8, dtype=torch.float64)
    k = torch.randn(4, 5, options.get("kdim", 8), dtype=torch.float64)
    rows, keys = (4, 5) if batch_first else (5, 4)
    padding = torch.zeros(rows, keys, dtype=torch.bool)
    padding[:, -1] = True
    causal = torch.ones(keys, keys, dtype=torch.bool).triu(1)
    added = torch.randn(rows * 2, keys, keys, dtype=torch.float64)
    for given in (
        {},
        {"key_padding_mask": padding, "attn_mask": causal},
        {"attn_mask": added, "average_attn_weights": False},
        {"attn_mask": causal, "is_causal": True, "need_weights": False},
    ):
        found = [module.train(mode)(q, k, k, **given) for mode in (True, False)]
        torch.testing.assert_close(found[0][0], found[1][0])
        assert (found[0][1] is None) == (found[1][1] is None)
        if found[0][1] is not None:
            torch.testing.assert_close(found[0][1], found[1][1])
    for mine, theirs in zip(
        *(module.train(mode)(q[0], k[0], k[0]) for mode in (True, False)), strict=True
    ):
        torch.testing.assert_close(mine, theirs)
    with pytest.raises(UsageError, match="give attn_mask, too"):
        module.train()(q, k, k, is_causal=True)


@pytest.mark.parametrize("rate", [feature("attention-copies", 0.6)])
def test_attention_in_copies_and_after_undo(rate):
    module = nn.MultiheadAttention(8, 2, dropout=RATE, batch_first=True)
    replaced = bridle.replace_dropout(module)
    X = torch.randn(3, 4, 8)
    copies = [copy.deepcopy(module), pickle.loads(pickle.dumps(module))]
    for each in copies:
        each.dropout = rate
    assert torch.equal(*(each(X, X, X)[0] for each in copies))
    assert str(replaced) == "MultiheadAttention(dropout=0.3) at the model (stream 0)"
    with pytest.raises(UsageError, match="already replaced"):
        bridle.replace_dropout(module)
    replaced.undo()
    assert "forward" not in vars(module)
    torch.manual_seed(0)
    found = module(X, X, X)[0]
    torch.manual_seed(1)
    assert not torch.equal(module(X, X, X)[0], found)
