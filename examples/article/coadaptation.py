"""Dropout keeps units from leaning on each other.

Run ``python coadaptation.py [FIGURE]``. Units of the first hidden layer are removed, alone and in
pairs, and the loss on new rows is read. What a pair costs beyond its two units' own costs belongs
to the pair: ``bridle.co_adaptation`` sums it up as a share of the whole change, from 0 % (removals
add up, every unit does its own work) to 100 %.
"""

import numpy as np
import torch
from common import NETWORKS, axes, conclude, digits, fit, judge, save, say

import bridle

print("claim: with dropout, less of what removals cost belongs to pairs of units")
data = digits()
names = ("plain", "dropout")
keep = torch.tensor([1.0] * NETWORKS + [0.5] * NETWORKS)
network = bridle.Network(
    [64, 64, 64, 10],
    seeds=[*range(NETWORKS)] * 2,
    hidden_noise=bridle.Dropout(keep_prob=keep),
)
fit(network, data, steps=400, learning_rate=0.05)
X, y = data.X_test[:400], data.y_test[:400]


def measure(member, removed, max_pairs=500):
    """Return one network's co-adaptation."""
    return bridle.co_adaptation(network, X, y, member=member, removed=removed, max_pairs=max_pairs)


accuracy, loss = judge(network, X, y)
held = []
for removed in ("zero", "mean"):
    found = [measure(member, removed) for member in range(network.members)]
    share = 100 * np.array([each.share for each in found]).reshape(2, NETWORKS)
    effect = 1e3 * np.array([np.abs(each.single).mean() for each in found]).reshape(2, NETWORKS)
    for group, name in enumerate(names):
        say(f"{name}, units set to {removed}: share of pairs", share[group], " %", 2)
        say(f"{name}, units set to {removed}: |change| by a unit × 1000", effect[group], "", 2)
    held.append(
        say(
            f"units set to {removed}: dropout lowers the share by",
            share[0] - share[1],
            " points",
            2,
        )
    )
for group, name in enumerate(names):
    say(f"{name}: test accuracy", accuracy[group], " %")
    say(f"{name}: test loss", loss[group], digits=3)
conclude(all(low > 0 for low, _ in held))

figure, panels = axes(4, width=11, height=3.2)
for group, name in enumerate(names):
    whole = measure(group * NETWORKS, "zero", max_pairs=None)
    matrix = 1e3 * np.abs(whole.matrix())
    np.fill_diagonal(matrix, 0)
    shown = panels[group].imshow(matrix, cmap="viridis", vmax=5)
    panels[group].set(title=f"{name}: |interaction|", xlabel="unit", ylabel="unit")
    tiles = bridle.feature_tiles(network, (8, 8), member=group * NETWORKS)
    panels[2 + group].imshow(bridle.tile_sheet(tiles, scale="all"), cmap="RdBu_r", vmin=-1, vmax=1)
    panels[2 + group].set(title=f"{name}: first-layer features", xticks=[], yticks=[])
figure.colorbar(shown, ax=panels[:2], label="loss × 1000", shrink=0.7)
save(figure, __file__)
