"""Random graphs of layers, sums, products, concatenations and norms, with random zeros."""

import torch
from compaction_helpers import check, randomized
from hypothesis import given, settings, strategies as st
from torch import nn


class Graph(nn.Module):
    """Each operation reads two earlier tensors, and the last layer reads the last tensor."""

    def __init__(self, operations, width):
        super().__init__()
        self.operations = operations
        self.parts = nn.ModuleList([nn.Linear(3, width)])
        for kind, _, _ in operations:
            if kind == "cat":
                self.parts.append(nn.Linear(2 * width, width))
            elif kind == "layer norm":
                self.parts.append(nn.LayerNorm(width))
            elif kind == "rms norm":
                self.parts.append(nn.RMSNorm(width, eps=1e-3))
            elif kind == "layer":
                self.parts.append(nn.Linear(width, width))
            else:
                self.parts.append(nn.Identity())
        self.last = nn.Linear(width, 2)

    def forward(self, x):
        tensors = [self.parts[0](x)]
        for part, (kind, first, second) in zip(self.parts[1:], self.operations, strict=True):
            a, b = tensors[first], tensors[second]
            if kind == "add":
                tensors.append(a + b)
            elif kind == "mul":
                tensors.append(a * b.tanh())
            elif kind == "cat":
                tensors.append(part(torch.cat([a, b], -1)))
            elif kind == "layer":
                tensors.append(part(a).relu())
            else:
                tensors.append(part(a))
        return self.last(tensors[-1])


KINDS = ["add", "mul", "cat", "layer", "layer", "layer norm", "rms norm"]


@st.composite
def graphs(draw):
    count, width = draw(st.integers(1, 7)), draw(st.integers(1, 6))
    operations = [
        (draw(st.sampled_from(KINDS)), draw(st.integers(0, place)), draw(st.integers(0, place)))
        for place in range(count)
    ]
    seed = draw(st.integers(0, 10_000))
    model = randomized(Graph(operations, width), seed)
    generator = torch.Generator().manual_seed(seed)
    dead = torch.rand(width, generator=generator) < 0.4  # zeros that agree, as of a group penalty
    with torch.no_grad():
        for parameter in model.parameters():
            for axis in range(parameter.ndim):
                if parameter.shape[axis] == width and draw(st.booleans()):
                    parameter.index_fill_(axis, dead.nonzero().flatten(), 0.0)
            if draw(st.booleans()) and draw(st.booleans()):
                some = torch.rand(parameter.shape[0], generator=generator) < 0.5
                parameter.index_fill_(0, some.nonzero().flatten(), 0.0)
    return model, torch.randn(4, 3, generator=generator, dtype=torch.float64)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(graphs())
def test_any_sparse_graph(graph):
    model, example = graph
    compacted = check(model, example, 1e-9)
    assert not any(line.startswith("the whole model") for line in compacted.kept)
    again = check(compacted.model, example, 1e-9)
    assert again.parameters_after == compacted.parameters_after
