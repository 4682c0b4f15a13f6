"""Without regularization, a network memorizes its training rows and fails on new ones.

Run ``python overfitting.py [FIGURE]``. A fifth of the training labels are random, because real
labels are often wrong too. A network that memorizes its training rows learns these labels as well.
"""

import numpy as np
import torch
from common import BLUE, NETWORKS, RED, axes, conclude, digits, fit, interval, judge, save, say

from bridle import Dropout, Network

print("claim: an unregularized network fits only its training rows; dropout narrows the gap")
data = digits(wrong=0.2)
keep = torch.tensor([1.0] * NETWORKS + [0.7] * NETWORKS)  # 8 plain networks, 8 with dropout
inputs = torch.tensor([1.0] * NETWORKS + [0.8] * NETWORKS)
network = Network(
    [64, 64, 64, 10],
    seeds=[*range(NETWORKS)] * 2,
    hidden_noise=Dropout(keep_prob=keep),
    input_noise=Dropout(keep_prob=inputs),
)
steps, losses = [], []


def watch(step):
    """Record both losses every 20 steps."""
    if step % 20 == 0:
        steps.append(step)
        parts = ((data.X.repeat(2, 1, 1), data.y), (data.X_test, data.y_test))
        losses.append([judge(network, X, y)[1] for X, y in parts])


fit(network, data, steps=500, learning_rate=0.02, watch=watch)
training = judge(network, data.X.repeat(2, 1, 1), data.y)[0]
test = judge(network, data.X_test, data.y_test)[0]
gap = training - test
say("plain: training accuracy", training[0], " %")
say("plain: test accuracy", test[0], " %")
plain = say("plain: gap", gap[0], " points")
say("dropout: training accuracy", training[1], " %")
say("dropout: test accuracy", test[1], " %")
say("dropout: gap", gap[1], " points")
narrower = say("dropout narrows the gap by", gap[0] - gap[1], " points")
better = say("dropout raises test accuracy by", test[1] - test[0], " points")
conclude(training[0].mean() > 99 and plain[0] > 10 and narrower[0] > 0 and better[0] > 0)

curves = np.array(losses)  # [times, part, group, network]
figure, panels = axes(2, sharey=True)
for group, (axis, title) in enumerate(zip(panels, ("no regularization", "dropout"), strict=True)):
    for part, (name, color) in enumerate((("training", BLUE), ("test", RED))):
        mean, half = interval(curves[:, part, group])
        axis.fill_between(steps, mean - half, mean + half, color=color, alpha=0.2, linewidth=0)
        axis.plot(steps, mean, color=color, linestyle="-" if part else "--", label=name)
    axis.set(xlabel="step", title=title, ylim=(0, 2.4))
panels[0].set_ylabel("cross-entropy, noise off")
panels[1].legend(frameon=False)
save(figure, __file__)
