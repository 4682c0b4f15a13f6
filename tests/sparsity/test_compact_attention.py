"""Heads of torch.nn.MultiheadAttention, alone and in torch's transformer layers."""

import copy

import pytest
import torch
from compaction_helpers import Custom, check, example_for, kill, randomized, silence, units
from torch import nn

from bridle.sparsity.compaction import compact
from bridle.sparsity.compaction.multihead import CompactedAttention

WIDTH, HEADS, DIM = 12, 3, 4


@torch.no_grad()
def lose_head(attention, head, *, how):
    """Zero what a head writes (its columns of the output projection) or its values."""
    rows = range(head * DIM, (head + 1) * DIM)
    if how == "output":
        attention.out_proj.weight[:, list(rows)] = 0
        return
    values = [2 * WIDTH + row for row in rows]
    attention.in_proj_weight[values] = 0
    if how == "value" and attention.in_proj_bias is not None:
        attention.in_proj_bias[values] = 0


def attend(m, x):
    x = m.stem(x)
    return m.last(m.attention(x, x, x, need_weights=False)[0])


def model_of(run=attend, **options):
    options = {"batch_first": True, **options}
    attention = nn.MultiheadAttention(WIDTH, HEADS, **options)
    return randomized(
        Custom(run, stem=nn.Linear(5, WIDTH), attention=attention, last=nn.Linear(WIDTH, 2))
    )


@pytest.mark.parametrize("how", ["output", "value", "constant value"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_head_goes_if_its_values_or_its_outputs_are_dead(how, bias):
    model = model_of(bias=bias)
    lose_head(model.attention, 1, how=how)
    compacted = check(model, example_for(model, 3, 6, 5))
    assert units(compacted) == {"stem": 12, "attention": 2, "attention.out_proj": 12, "last": 2}
    small = compacted.model.attention
    assert isinstance(small, CompactedAttention)
    assert small.in_proj_weight.shape == (24, 12)
    assert small.out_proj.in_features == 8
    assert "2 heads of 4, width 12" in repr(small)
    lose = slice(16, 20)
    with torch.no_grad():
        small.in_proj_weight[lose] = 0
    assert units(check(compacted.model, example_for(model, 3, 6, 5)))["attention"] == 1


def test_half_a_head_stays():
    model = model_of()
    with torch.no_grad():
        model.attention.out_proj.weight[:, :2] = 0
        model.attention.in_proj_weight[2 * WIDTH + 2] = 0
    compacted = check(model, example_for(model, 3, 6, 5))
    assert units(compacted)["attention"] == HEADS
    assert type(compacted.model.attention) is nn.MultiheadAttention


def test_all_heads_dead_leave_one_that_is_zero():
    model = model_of()
    for head in range(HEADS):
        lose_head(model.attention, head, how="output")
    compacted = check(model, example_for(model, 3, 6, 5))
    assert units(compacted)["attention"] == 1
    assert units(compacted)["stem"] == 1
    assert "layer 'attention' keeps 1 head, all zero: a layer has at least one" in compacted.kept


def test_the_width_that_attention_reads_and_writes():
    model = model_of()
    silence([model.stem], [0, 7])
    kill(model.stem, incoming_of=[2])  # a constant goes to the biases of queries, keys and values
    kill(model.last, outgoing_of=[4, 5])
    compacted = check(model, example_for(model, 3, 6, 5))
    assert units(compacted) == {"stem": 9, "attention": 3, "attention.out_proj": 10, "last": 2}
    assert compacted.model.attention.embed_dim == 9


def padded(m, x):
    x = m.stem(x)
    rows, places = x.shape[:2]
    mask = torch.ones(places, places, dtype=torch.bool).triu(1)
    by_head = torch.linspace(-1, 1, rows * HEADS * places * places, dtype=x.dtype)
    padding = torch.zeros(rows, places, dtype=torch.bool)
    padding[:, -1] = True
    first = m.attention(x, x, x, key_padding_mask=padding, attn_mask=mask)[0]
    by_head = by_head.view(rows * HEADS, places, places)
    return m.last(first + m.attention(x, x, x, attn_mask=by_head, need_weights=False)[0])


def test_masks_and_two_calls():
    model = model_of(padded)
    lose_head(model.attention, 1, how="output")
    assert units(check(model, example_for(model, 3, 6, 5)))["attention"] == 2


@pytest.mark.parametrize("shape", [(6, 5), (3, 6, 5)])
def test_layouts(shape):
    model = model_of(batch_first=False)
    lose_head(model.attention, 0, how="output")
    assert units(check(model, example_for(model, *shape)))["attention"] == 2


def test_cross_attention():
    def run(m, x):
        y = m.other(x.flip(1))
        return m.last(m.attention(query=m.stem(x), key=y, value=y)[0])

    model = model_of(run)
    model.other = nn.Linear(5, WIDTH)
    model = randomized(model)
    lose_head(model.attention, 2, how="value")
    silence([model.stem, model.other], [3])
    compacted = check(model, example_for(model, 3, 6, 5))
    assert units(compacted)["attention"] == 2
    assert units(compacted)["other"] == 11


def weights_too(m, x):
    x = m.stem(x)
    mixed, weights = m.attention(x, x, x)
    return m.last(mixed), weights


@pytest.mark.parametrize(
    ("run", "options", "line"),
    [
        (weights_too, {}, "layer 'attention' keeps its 3 heads: their weights are read"),
        (
            attend,
            {"add_bias_kv": True},
            "module 'attention' keeps its heads: it has add_bias_kv=True",
        ),
        (
            attend,
            {"add_zero_attn": True},
            "module 'attention' keeps its heads: it has add_zero_attn=True",
        ),
        (
            attend,
            {"kdim": WIDTH, "vdim": WIDTH},
            None,
        ),
    ],
)
def test_heads_that_stay_are_named(run, options, line):
    model = model_of(run, **options)
    lose_head(model.attention, 1, how="output")
    compacted = check(model, example_for(model, 3, 6, 5))
    if line is None:
        assert units(compacted)["attention"] == 2
    else:
        assert line in compacted.kept
        assert type(compacted.model.attention) is nn.MultiheadAttention


def encoder(norm_first):
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, 16, batch_first=True, norm_first=norm_first, activation="gelu"
    )
    stack = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return randomized(nn.Sequential(nn.Linear(5, WIDTH), stack, nn.Linear(WIDTH, 2)))


@pytest.mark.parametrize("norm_first", [True, False])
def test_torch_transformer_layers(norm_first):
    model = encoder(norm_first)
    first, second = model[1].layers
    lose_head(first.self_attn, 0, how="output")
    lose_head(second.self_attn, 1, how="value")
    kill(second.linear2, outgoing_of=range(10))
    silence([model[0]], [5])
    with torch.no_grad():
        for layer in model[1].layers:
            silence([layer.self_attn.out_proj, layer.linear2], [5])
            for norm in (layer.norm1, layer.norm2):
                norm.weight[5], norm.bias[5] = 0, 0
    compacted = check(model, example_for(model, 3, 6, 5))
    found = units(compacted)
    assert found["1.layers.0.self_attn"] == found["1.layers.1.self_attn"] == 2
    assert found["1.layers.1.linear1"] == 6
    assert found["1.layers.0.self_attn.out_proj"] == found["0"] == 11


def test_hooks_of_a_module_that_is_replaced_stay():
    model = model_of()
    seen = []
    model.attention.register_forward_hook(lambda module, args, result: seen.append(type(module)))
    lose_head(model.attention, 1, how="output")
    small = compact(model, X := example_for(model, 3, 6, 5)).model
    seen.clear()
    small(X)
    assert seen == [CompactedAttention]


def test_a_recorded_width_that_is_a_number_is_named():
    def run(m, x):
        if len(x):  # torch.fx cannot trace it
            x = m.b(m.a(x).view(-1, 4))
        return m.d(m.c(x).relu())

    parts = {"a": nn.Linear(4, 4), "b": nn.Linear(4, 3), "c": nn.Linear(3, 6), "d": nn.Linear(6, 2)}
    model = randomized(Custom(run, **parts))
    kill(model.b, outgoing_of=[0])
    kill(model.d, outgoing_of=[0])
    compacted = check(model, example_for(model, 3, 4))
    assert units(compacted)["c"] == 5
    assert "layer 'a' keeps its 4 units: 'view' has fixed sizes: write flatten(1)" in compacted.kept


def test_a_training_step_has_the_gradients_of_the_whole_model():
    model = model_of().train()
    lose_head(model.attention, 1, how="output")
    lose_head(model.attention, 1, how="value")
    small = compact(model, X := example_for(model, 3, 6, 5)).model
    for each in (model, small):
        each(X).square().mean().backward()
    rows = [*range(4), *range(8, 12)]
    grad = model.attention.in_proj_weight.grad.view(3, WIDTH, WIDTH)[:, rows].flatten(0, 1)
    torch.testing.assert_close(small.attention.in_proj_weight.grad, grad)
    torch.testing.assert_close(small.stem.weight.grad, model.stem.weight.grad)


def test_dropout_of_attention_acts_in_training_only():
    model = model_of(dropout=0.5)
    lose_head(model.attention, 1, how="output")
    small = compact(model, X := example_for(model, 3, 6, 5)).model
    assert torch.equal(small(X), small(X))
    trained = copy.deepcopy(small).train()
    assert not torch.equal(trained(X), trained(X))
