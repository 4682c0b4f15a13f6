"""Masks of torch's transformers: in the example, and with the padding that torch cuts out."""

import pytest
import torch
from compaction_helpers import Custom, check, example_for, kill, randomized, silence, units
from torch import nn

from bridle.sparsity.compaction import compact

WIDTH, HEADS, PLACES = 16, 4, 6
CAUSAL = torch.ones(PLACES, PLACES, dtype=torch.bool).triu(1)
PADDING = torch.arange(PLACES) >= torch.tensor([[4], [6], [1]])

nested = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")


class Padded(Custom):
    """Its second argument is a mask of padding."""

    def forward(self, x, padding=None):
        return self.run(self, x, padding)


def lose_heads(model):
    for module in model.modules():
        if isinstance(module, nn.MultiheadAttention):
            module.out_proj.weight.data[:, :4] = 0
    return model


def stack():
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 8, batch_first=True)
    return nn.TransformerEncoder(layer, 2, nn.LayerNorm(WIDTH))


def padded_stack():
    def run(m, x, padding):
        return m.last(m.stack(m.stem(x), src_key_padding_mask=padding))

    parts = {"stem": nn.Linear(5, WIDTH), "stack": stack(), "last": nn.Linear(WIDTH, 2)}
    return lose_heads(randomized(Padded(run, **parts)))


@nested
@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("masked_example", [False, True])
def test_padding_that_torch_cuts_out_in_prediction(narrow, masked_example):
    model = padded_stack()
    if narrow:  # one channel of the residual stream is zero throughout
        layers, final = model.stack.layers, model.stack.norm
        silence([model.stem], [5])
        with torch.no_grad():
            for layer in layers:
                silence([layer.self_attn.out_proj, layer.linear2], [5])
            for norm in (final, *(each for x in layers for each in (x.norm1, x.norm2))):
                norm.weight[5], norm.bias[5] = 0, 0
    X = example_for(model, 3, PLACES, 5)
    compacted = check(model, (X, PADDING) if masked_example else X)
    assert units(compacted)["stack.layers.1.self_attn"] == 3
    assert units(compacted)["stem"] == WIDTH - narrow
    small = compacted.model
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            wide = model(X, PADDING)
            # only without gradients, torch.nn.TransformerEncoder skips the padding
            skipped = torch.equal(wide[0, 4], wide[0, 5])
            assert skipped == (not grad)
            torch.testing.assert_close(small(X, PADDING), wide, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("floating", [True, False])
@pytest.mark.parametrize(
    "make", [stack, lambda: nn.TransformerEncoderLayer(WIDTH, HEADS, 8, batch_first=True)]
)
def test_a_mask_of_places_in_the_example(make, floating, causal):
    mask = CAUSAL if causal else CAUSAL & (torch.arange(PLACES) < 4)
    if floating:
        mask = torch.zeros(mask.shape).double().masked_fill(mask, -torch.inf)
    model = lose_heads(randomized(make()))
    X = example_for(model, 3, PLACES, WIDTH)
    compacted = compact(model, (X, mask)) if floating else check(model, (X, mask))
    assert {n for name, n in units(compacted).items() if name.endswith("self_attn")} == {3}
    for each in (mask, CAUSAL):
        torch.testing.assert_close(compacted.model(X, each), model(X, each), rtol=0, atol=1e-12)


def test_a_mask_of_places_in_the_example_of_a_decoder():
    model = nn.Transformer(WIDTH, HEADS, 1, 1, 8, batch_first=True)
    model = lose_heads(randomized(model))
    X = example_for(model, 3, PLACES, WIDTH)
    compacted = check(model, (X, X, CAUSAL, CAUSAL))
    assert [n for name, n in units(compacted).items() if name.endswith("attn")] == [3, 3, 3]


def test_a_mask_that_forward_computes_reads_its_units():
    def run(m, x):
        h = m.stem(x)
        return m.stack(m.up(h), src_key_padding_mask=h[..., 3] < 0)

    parts = {"stem": nn.Linear(5, 9), "up": nn.Linear(9, WIDTH), "stack": stack()}
    model = lose_heads(randomized(Custom(run, **parts)))
    kill(model.up, outgoing_of=[3, 4])
    X = example_for(model, 3, PLACES, 5)
    with torch.enable_grad():
        compacted = compact(model, X)
        torch.testing.assert_close(compacted.model(X), model(X), rtol=0, atol=1e-12)
    assert units(compacted)["stack.layers.0.self_attn"] == 3
    assert "layer 'stem' keeps its 9 units: 'getitem' selects some of them" in compacted.kept
