"""The features of the first layer as images; penalties remove the random initialization.

Run ``python features.py [FIGURE]``. A tile shows the incoming weights of one unit, pixel by pixel.
The roughness of a tile is Σ (difference of neighbouring pixels)² / Σ (weight)², scaled so that
independent weights, as after initialization, have 100 % and a constant tile has 0 %.
"""

import numpy as np
import torch
from common import NETWORKS, axes, conclude, digits, fit, judge, save, say

import bridle

print("claim: without a penalty, the first layer stays close to its random initialization")
data = digits()
names = ("plain", "dropout", "L2", "L1")
keep = torch.tensor([1.0, 0.5, 1.0, 1.0]).repeat_interleave(NETWORKS)
l2 = torch.tensor([0.0, 0.0, 0.01, 0.0]).repeat_interleave(NETWORKS)
l1 = torch.tensor([0.0, 0.0, 0.0, 0.001]).repeat_interleave(NETWORKS)
network = bridle.Network(
    [64, 64, 10],
    seeds=[*range(NETWORKS)] * 4,
    hidden_noise=bridle.Dropout(keep_prob=keep),
)
start = network.weights[0].detach().clone()
fit(network, data, steps=500, penalties=[bridle.L1(l1), bridle.L2(l2)])

tiles = np.stack([bridle.feature_tiles(network, (8, 8), member=k) for k in range(network.members)])
down, across = np.diff(tiles, axis=2), np.diff(tiles, axis=3)
between = (np.square(down).mean((1, 2, 3)) + np.square(across).mean((1, 2, 3))) / 2
rough = 100 * between / (2 * np.square(tiles).mean((1, 2, 3)))
rough = rough.reshape(4, NETWORKS)
both = torch.stack([start, network.weights[0].detach()]).flatten(2).double()
alike = 100 * torch.cosine_similarity(both[0], both[1]).view(4, NETWORKS).numpy()
accuracy = judge(network, data.X_test, data.y_test)[0]
for group, name in enumerate(names):
    say(f"{name}: roughness of the tiles", rough[group], " %")
    say(f"{name}: cosine similarity to the initial weights", alike[group], " %")
    say(f"{name}: test accuracy", accuracy[group], " %")
smoother = say("L2 lowers the roughness by", rough[0] - rough[2], " points")
away = say("L2 lowers the similarity by", alike[0] - alike[2], " points")
conclude(smoother[0] > 0 and away[0] > 0 and alike[0].min() > 50)

figure, panels = axes(4, width=11, height=3)
for group, (axis, name) in enumerate(zip(panels, names, strict=True)):
    sheet = bridle.tile_sheet(tiles[group * NETWORKS], scale="all")
    axis.imshow(sheet, cmap="RdBu_r", vmin=-1, vmax=1)
    axis.set(title=name, xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
save(figure, __file__)
