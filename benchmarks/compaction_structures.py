"""Time of a residual network and of a transformer block with 75 % of their structures gone.

Run ``python benchmarks/compaction_structures.py``. The residual network has lost 75 % of the
channels of its streams and inside its blocks; the transformer block, 75 % of its heads and of the
units of its MLP. The zeros are as a group penalty leaves them. The same structures are removed by
``bridle.compact``, which finds them, and by Torch-Pruning (``pip install torch-pruning``), which is
told their indices. All variants run in turn, each twice; the figure is the median of the second
runs over the rounds.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import importlib.metadata
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
import transformers
from machine import machine
from timing import interleaved
from torch import Tensor, nn

from bridle.sparsity.compaction import compact

try:
    torch_pruning: Any = importlib.import_module("torch_pruning")
except ImportError:
    torch_pruning = None

GONE = 0.75


class Block(nn.Module):
    """Two convolutions beside an identity, or beside a convolution to another width."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        stride = 1 if inputs == width else 2
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.skip = nn.Sequential()
        if stride == 2:
            self.skip = nn.Sequential(
                nn.Conv2d(inputs, width, 1, 2, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        inside = self.norm1(self.conv1(x)).relu()
        return (self.skip(x) + self.norm2(self.conv2(inside))).relu()


def _as_block(module: nn.Module) -> Block:
    return cast(Block, module)


class Residual(nn.Module):
    """Six blocks of widths 64, 128 and 256, for images of 32 × 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
        widths = ((64, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256))
        self.blocks = nn.Sequential(*(Block(*pair) for pair in widths))
        self.head = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the class scores."""
        return self.head(self.blocks(self.norm(self.stem(x)).relu()).mean((2, 3)))

    def structures(self) -> list[list[tuple[nn.Conv2d, nn.BatchNorm2d]]]:
        """Return, for each set of channels that go together, the layers that write them."""
        found = []
        stream = [(self.stem, self.norm)]
        for block in map(_as_block, self.blocks):
            found.append([(block.conv1, block.norm1)])
            if len(block.skip):
                found.append(stream)
                conv, norm = block.skip
                stream = [(cast(nn.Conv2d, conv), cast(nn.BatchNorm2d, norm))]
            stream.append((block.conv2, block.norm2))
        return [*found, stream]


class Encoder(nn.Module):
    """A BERT of one block: 768 wide, 12 heads, 3072 units in the MLP."""

    def __init__(self) -> None:
        super().__init__()
        config = transformers.BertConfig(vocab_size=1000, num_hidden_layers=1)
        self.bert = transformers.BertModel(config, add_pooling_layer=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the last hidden state."""
        return self.bert(ids).last_hidden_state


def gone_of(count: int) -> list[int]:
    """Return a random 75 % of the indices."""
    return torch.randperm(count)[: round(GONE * count)].sort().values.tolist()


@torch.no_grad()
def residual() -> tuple[nn.Module, Callable[[Any], None]]:
    """Return a network with dead channels, and what removes them by Torch-Pruning."""
    model = Residual().eval()
    dead = []
    for writers in model.structures():
        dead.append(gone_of(writers[0][0].out_channels))
        for conv, norm in writers:
            conv.weight[dead[-1]], norm.weight[dead[-1]], norm.bias[dead[-1]] = 0, 0, 0

    def rival(copied: Any) -> None:
        graph = torch_pruning.DependencyGraph()
        graph.build_dependency(copied, torch.randn(1, 3, 32, 32))
        for writers, indices in zip(copied.structures(), dead, strict=True):
            prune = torch_pruning.prune_conv_out_channels
            graph.get_pruning_group(writers[0][0], prune, indices).prune()

    return model, rival


@torch.no_grad()
def encoder() -> tuple[nn.Module, Callable[[Any], None]]:
    """Return a transformer block with dead heads and units, and what removes them."""
    model = Encoder().eval()
    layer = model.bert.encoder.layer[0]
    heads, size = gone_of(12), 64
    rows = [head * size + place for head in heads for place in range(size)]
    units = gone_of(3072)
    layer.attention.output.dense.weight[:, rows] = 0
    layer.output.dense.weight[:, units] = 0

    def rival(copied: Any) -> None:
        block = copied.bert.encoder.layer[0]
        prune = torch_pruning.prune_linear_out_channels
        graph = torch_pruning.DependencyGraph()
        graph.build_dependency(copied, torch.arange(16)[None])
        graph.get_pruning_group(block.intermediate.dense, prune, units).prune()
        attention = block.attention.self
        group = graph.get_pruning_group(attention.value, prune, rows)
        group.prune()
        for part in (attention.query, attention.key):
            if part.out_features == 768:
                graph.get_pruning_group(part, prune, rows).prune()
        attention.num_attention_heads = 12 - len(heads)
        attention.all_head_size = attention.num_attention_heads * size

    return model, rival


def images(rows: int) -> Tensor:
    """Return a batch of images."""
    return torch.randn(rows, 3, 32, 32)


def tokens(rows: int) -> Tensor:
    """Return a batch of texts of 64 tokens."""
    return torch.randint(0, 1000, (rows, 64))


def mebibytes(model: nn.Module) -> float:
    """Return the memory of the weights and statistics."""
    tensors = [*model.parameters(), *model.buffers()]
    return sum(part.numel() * part.element_size() for part in tensors) / 2**20


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.manual_seed(0)
    print(f"{GONE:.0%} of the structures gone; ms per prediction, float32")
    rival_name = "Torch-Pruning"
    if torch_pruning is not None:
        rival_name += f" {importlib.metadata.version('torch-pruning')}"
    print(f"{machine()}; {rival_name}; median of {rounds} rounds\n")
    print("| network | batch | removed by | weights, MiB | ms | speedup | largest difference |")
    print("|---|---:|---|---:|---:|---:|---:|")
    cases: dict[str, tuple[nn.Module, Callable[[Any], None], Callable[[int], Tensor]]] = {
        "residual network, 32×32": (*residual(), images),
        "transformer block, 64 tokens": (*encoder(), tokens),
    }
    for name, (model, rival, batch_of) in cases.items():
        variants = {"nothing": model, "bridle.compact": compact(model, batch_of(2)).model}
        if torch_pruning is not None:
            variants[rival_name] = copy.deepcopy(model)
            rival(variants[rival_name])
            variants[rival_name].eval()  # the same mode for all
        for rows in (1, 64):
            batch = batch_of(rows)
            with torch.inference_mode():
                runs: dict[tuple[str, bool], Callable[[], object]] = {}
                for each, small in variants.items():
                    # the first call after another model is slower: its memory is new
                    runs[each, False] = runs[each, True] = partial(small, batch)
                found = interleaved(runs, rounds=rounds)
                times = {each: found[each, True] for each in variants}
                whole = model(batch)
                scale = whole.abs().max()
                moved = {
                    each: float((small(batch) - whole).abs().max() / scale)
                    for each, small in variants.items()
                }
            for each, small in variants.items():
                print(
                    f"| {name} | {rows} | {each} | {mebibytes(small):.2f} | {times[each]:.2f} "
                    f"| {times['nothing'] / times[each]:.1f} × | {moved[each]:.0e} |"
                )


if __name__ == "__main__":
    main()
