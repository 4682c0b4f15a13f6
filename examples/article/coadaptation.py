"""Dropout reduces co-adaptation: units depend less on each other.

Run ``python coadaptation.py [FIGURE]``. Units of the first hidden layer are removed, one at a time
and in pairs, and the loss on new rows is measured. The interaction of a pair is the change of the
loss beyond the sum of the two single changes. ``bridle.co_adaptation`` gives the interactions as a
share of all changes: 0 % if the effects of units simply add up, 100 % if all is interaction.
"""

import numpy as np
import torch
from common import NETWORKS, axes, conclude, digits, fit, judge, save, say

import bridle

print("claim: with dropout, pair interactions are a smaller part of the effect of zeroing units")
data = digits()
names = ("plain", "dropout", "L2")
keep = torch.tensor([1.0, 0.5, 1.0]).repeat_interleave(NETWORKS)
l2 = torch.tensor([0.0, 0.0, 0.01]).repeat_interleave(NETWORKS)
network = bridle.Network(
    [64, 64, 64, 10],
    seeds=[*range(NETWORKS)] * 3,
    hidden_noise=bridle.Dropout(keep_prob=keep),
)
fit(network, data, steps=400, learning_rate=0.05, penalties=[bridle.L2(l2)])
X, y = data.X_test[:300], data.y_test[:300]


def measure(member, removed, max_pairs=200):
    """Return one network's co-adaptation."""
    return bridle.co_adaptation(network, X, y, member=member, removed=removed, max_pairs=max_pairs)


lower = {}
for removed in ("zero", "mean"):
    found = [measure(member, removed) for member in range(network.members)]
    share = 100 * np.array([each.share for each in found]).reshape(3, NETWORKS)
    change = 1e3 * np.array([np.abs(each.single).mean() for each in found]).reshape(3, NETWORKS)
    for group, name in enumerate(names):
        say(f"units set to {removed}, {name}: share of pair interactions", share[group], " %")
        say(
            f"units set to {removed}, {name}: |change of the loss| by one unit × 1000",
            change[group],
        )
    lower[removed] = say(
        f"units set to {removed}: dropout lowers the share by", share[0] - share[1], " points"
    )
    say(f"units set to {removed}: L2 lowers the share by", share[0] - share[2], " points")
accuracy = judge(network, data.X_test, data.y_test)[0]
for group, name in enumerate(names):
    say(f"{name}: test accuracy", accuracy[group], " %")
conclude(lower["zero"][0] > 0)

figure, panels = axes(2, width=7.5, height=3.4, sharey=True)
for group, (axis, name) in enumerate(zip(panels, names[:2], strict=True)):
    matrix = np.abs(measure(group * NETWORKS, "zero", max_pairs=None).matrix())
    order = np.argsort(-np.diag(matrix))  # units with the largest effect come first
    np.fill_diagonal(matrix, np.nan)
    shown = axis.imshow(1e3 * matrix[order][:, order], cmap="viridis", vmin=0, vmax=30)
    axis.set(title=name, xlabel="unit, by its own effect")
panels[0].set_ylabel("unit, by its own effect")
figure.colorbar(shown, ax=panels, label="|interaction|, loss × 1000", extend="max")
save(figure, __file__)
