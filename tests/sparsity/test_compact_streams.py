"""Residual streams, concatenation, products, groups of channels, embeddings and tied weights."""

import pytest
import torch
from compaction_helpers import (
    IMAGE,
    Custom,
    check,
    example_for,
    inputs,
    kill,
    randomized,
    silence,
    units,
)
from torch import nn

from bridle.sparsity.compaction import compact
from bridle.sparsity.compaction.norms import PartialLayerNorm


def residual(norm=nn.Identity):
    def run(m, x):
        x = m.stem(x)
        x = x + m.down(m.up(m.norm(x)).relu())
        return m.head(m.last(x))

    return randomized(
        Custom(
            run,
            stem=nn.Linear(4, 8),
            norm=norm(),
            up=nn.Linear(8, 9),
            down=nn.Linear(9, 8),
            last=norm(),
            head=nn.Linear(8, 2),
        )
    )


def test_a_unit_of_a_stream_goes_if_all_its_writers_are_zero():
    model = residual()
    silence([model.stem, model.down], [0, 5])
    kill(model.stem, incoming_of=[1])  # the other one writes it
    compacted = check(model, example_for(model, 3, 4))
    assert units(compacted) == {"stem": 6, "up": 9, "down": 6, "head": 2}
    assert inputs(compacted) == {"stem": 4, "up": 6, "down": 9, "head": 6}


def test_a_unit_of_a_stream_goes_if_all_its_writers_are_constant():
    model = residual()
    kill(model.stem, incoming_of=[3])
    kill(model.down, incoming_of=[3])
    assert units(check(model, example_for(model, 3, 4)))["down"] == 7


def test_a_unit_of_a_stream_goes_if_nothing_reads_it():
    model = residual()
    kill(model.up, outgoing_of=[2, 3])
    kill(model.head, outgoing_of=[2, 4])
    compacted = check(model, example_for(model, 3, 4))
    assert units(compacted)["stem"] == 7
    assert "layer 'up' keeps 1 dead input: other layers read them" in compacted.kept


@pytest.mark.parametrize("bias", [True, False])
def test_layer_norm_counts_the_zeros_that_are_gone(bias):
    model = residual(lambda: nn.LayerNorm(8, bias=bias))
    silence([model.stem, model.down], [0, 5, 6])
    with torch.no_grad():
        for norm in (model.norm, model.last):
            norm.weight[[0, 5]] = 0
    compacted = check(model, example_for(model, 3, 4))
    assert units(compacted)["stem"] == 6
    kept = "layer 'stem' keeps 1 dead unit: 'norm' makes constants vary"
    assert kept in compacted.kept
    norm = compacted.model.norm
    assert isinstance(norm, PartialLayerNorm)
    assert norm.width == 8
    model = compacted.model
    silence([model.stem, model.down], [0])
    with torch.no_grad():
        for norm in (model.norm, model.last):
            norm.weight[0] = 0
    assert units(check(model, example_for(model, 3, 4)))["stem"] == 5


def test_layer_norm_does_not_lose_constants_that_are_not_zero():
    model = residual(lambda: nn.LayerNorm(8))
    kill(model.stem, incoming_of=[1])
    kill(model.down, incoming_of=[1])
    with torch.no_grad():
        model.norm.weight[1], model.last.weight[1] = 0, 0
    compacted = check(model, example_for(model, 3, 4))
    assert units(compacted)["stem"] == 8
    why = "layer 'stem' keeps 1 dead unit: 'norm' normalizes over them, and they are not 0"
    assert why in compacted.kept


@pytest.mark.parametrize("eps", [None, 0.3])
def test_rms_norm_absorbs_the_width(eps):
    model = residual(lambda: nn.RMSNorm(8, eps=eps))
    silence([model.stem, model.down], [0, 5, 6])
    compacted = check(model, example_for(model, 3, 4))
    assert units(compacted)["stem"] == 5
    assert compacted.model.norm.normalized_shape == (5,)
    assert type(compacted.model.norm) is nn.RMSNorm


def test_a_norm_of_another_formula_is_not_taken_for_one():
    class ShiftedRMSNorm(nn.RMSNorm):
        def forward(self, x):
            return super().forward(x) + x

    model = residual(lambda: ShiftedRMSNorm(8))
    silence([model.stem, model.down], [0])
    assert units(check(model, example_for(model, 3, 4)))["stem"] == 8


def gated():
    return randomized(
        Custom(
            lambda m, x: m.down(nn.functional.silu(m.gate(x)) * m.up(x)),
            gate=nn.Linear(4, 7),
            up=nn.Linear(4, 7),
            down=nn.Linear(7, 3),
        )
    )


@pytest.mark.parametrize("which", ["gate", "up"])
def test_a_gated_unit_goes_if_one_factor_is_zero(which):
    model = gated()
    silence([getattr(model, which)], [1, 2])
    kill(model.gate, incoming_of=[4])  # a constant gate is not zero
    compacted = check(model, example_for(model, 3, 4))
    assert units(compacted) == {"gate": 5, "up": 5, "down": 3}


def test_concatenation():
    def run(m, x):
        return m.last(torch.cat([m.a(x).relu(), m.b(x), m.a(x)], dim=1))

    model = randomized(
        Custom(run, a=nn.Conv2d(3, 4, 1), b=nn.Conv2d(3, 5, 1), last=nn.Conv2d(13, 2, 3))
    )
    silence([model.a], [1])
    kill(model.b, incoming_of=[0, 3])
    kill(model.last, outgoing_of=[0, 9, 8])  # 0 and 9 are both of unit 0 of a
    compacted = check(model, example_for(model, 2, *IMAGE))
    assert units(compacted) == {"a": 2, "b": 2, "last": 2}
    assert inputs(compacted)["last"] == 6


def test_concatenation_with_the_input():
    model = Custom(
        lambda m, x: m.b(torch.cat([m.a(x), x], 1)), a=nn.Linear(4, 6), b=nn.Linear(10, 2)
    )
    model = randomized(model)
    silence([model.a], [1])
    kill(model.b, outgoing_of=[2, 7])
    compacted = check(model, example_for(model, 3, 4))
    assert units(compacted) == {"a": 4, "b": 2}
    assert inputs(compacted)["b"] == 8
    assert "layer 'b' keeps 1 dead input: the layer before it keeps its units" in compacted.kept


def test_chunks_keep_equal_sizes():
    def run(m, x):
        gate, up = m.a(x).chunk(2, dim=-1)
        return m.b(gate.sigmoid() * up)

    model = randomized(Custom(run, a=nn.Linear(4, 12), b=nn.Linear(6, 2)))
    silence([model.a], [2, 7, 8])  # 8 is the other half of 2; a gate alone is not zero
    kill(model.b, outgoing_of=[5])
    compacted = check(model, example_for(model, 3, 4))
    assert units(compacted) == {"a": 6, "b": 2}


def grouped(groups, width, bias=True):
    return randomized(
        nn.Sequential(
            nn.Conv2d(3, 6, 1),
            nn.ReLU(),
            nn.Conv2d(6, width, 3, padding=1, groups=groups, bias=bias),
            nn.BatchNorm2d(width),
            nn.Conv2d(width, 2, 1),
        )
    )


@pytest.mark.parametrize(("groups", "width"), [(6, 6), (6, 12)])
@pytest.mark.parametrize("bias", [True, False])
def test_depthwise_convolutions(groups, width, bias):
    model = grouped(groups, width, bias)
    silence([model[0]], [0])  # constant zero: the padding does not matter
    each = width // groups
    kill(model[2], incoming_of=range(each, 2 * each))
    kill(model[4], outgoing_of=range(2 * each, 3 * each))
    kill(model[0], incoming_of=[4])  # another constant, and the border reads zeros
    compacted = check(model, example_for(model, 2, *IMAGE))
    assert units(compacted) == {"0": 3, "2": 3 * each, "4": 2}
    assert compacted.model[2].groups == compacted.model[2].in_channels == 3
    assert "layer '0' keeps 1 dead unit: '2' makes constants vary" in compacted.kept


def test_grouped_convolutions_lose_whole_groups():
    model = grouped(3, 9)
    kill(model[4], outgoing_of=[0, 1, 2, 3])
    silence([model[0]], [4])
    compacted = check(model, example_for(model, 2, *IMAGE))
    assert units(compacted) == {"0": 4, "2": 6, "4": 2}
    small = compacted.model[2]
    assert (small.groups, small.in_channels, tuple(small.weight.shape)) == (2, 4, (6, 2, 3, 3))


def test_a_grouped_convolution_of_the_input_is_named():
    model = randomized(nn.Sequential(nn.Conv2d(3, 6, 1, groups=3), nn.Conv2d(6, 2, 1)))
    kill(model[1], outgoing_of=[0])
    compacted = check(model, example_for(model, 2, *IMAGE))
    why = "layer '0' keeps its 6 units: it has 3 groups, and reads the model's input"
    assert why in compacted.kept


def language(tie):
    class Language(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.places = nn.Embedding(11, 8), nn.Parameter(torch.ones(1, 5, 8))
            self.up, self.down = nn.Linear(8, 9), nn.Linear(9, 8)
            self.norm, self.head = nn.RMSNorm(8, eps=1e-6), nn.Linear(8, 11, bias=False)
            if tie:
                self.head.weight = self.tokens.weight

        def forward(self, x):
            x = self.tokens(x) + self.places
            return self.head(self.norm(x + self.down(self.up(x).tanh())))

    return randomized(Language())


@pytest.mark.parametrize("tie", [True, False])
def test_embeddings_and_tied_weights(tie):
    model = language(tie)
    with torch.no_grad():
        model.tokens.weight[:, :3] = 0
        model.places[..., :2] = 0
    silence([model.down], range(3))
    kill(model.down, outgoing_of=[7])
    compacted = check(model, torch.arange(10).view(2, 5))
    assert units(compacted) == {"tokens": 6, "up": 8, "down": 6, "head": 11}
    small = compacted.model
    assert small.tokens.embedding_dim == 6
    assert small.places.shape == (1, 5, 6)
    assert (small.head.weight is small.tokens.weight) == tie
    small(torch.arange(10).view(2, 5)).sum().backward()
    assert small.tokens.weight.grad.shape == (11, 6)


def test_a_layer_called_twice_folds_zeros_only():
    def run(m, x):
        return m.out(m.b(m.a(x).sigmoid()).relu() + m.b(m.c(x)).relu())

    def build():
        parts = {"a": nn.Linear(4, 6), "c": nn.Linear(4, 6), "b": nn.Linear(6, 6)}
        return randomized(Custom(run, **parts, out=nn.Linear(6, 2)))

    model = build()
    silence([model.a, model.c], [0])
    kill(model.b, outgoing_of=[1])
    compacted = check(model, example_for(model, 3, 4))
    assert units(compacted) == {"a": 5, "c": 5, "b": 6, "out": 2}
    why = "layer 'b' is called more than once, and the constants are not 0"
    assert f"layer 'a' keeps 1 dead unit: {why}" in compacted.kept


def test_gradients_of_a_step_are_those_of_the_whole_model():
    model = residual(lambda: nn.LayerNorm(8)).train()
    silence([model.stem, model.down], [0, 5])
    with torch.no_grad():
        model.norm.weight[[0, 5]], model.last.weight[[0, 5]] = 0, 0
        model.norm.bias[[0, 5]], model.last.bias[[0, 5]] = 0, 0
    small = compact(model, X := example_for(model, 6, 4)).model
    for each in (model, small):
        each(X).square().mean().backward()
    keep = [1, 2, 3, 4, 6, 7]
    torch.testing.assert_close(small.up.weight.grad, model.up.weight.grad[:, keep])
    torch.testing.assert_close(small.stem.weight.grad, model.stem.weight.grad[keep])
    torch.testing.assert_close(small.norm.weight.grad, model.norm.weight.grad[keep])
