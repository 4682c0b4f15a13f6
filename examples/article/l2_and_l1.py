"""L2 makes the weights of equal inputs equal, and L1 sets weights to zero.

Run ``python l2_and_l1.py [FIGURE]``. Every pixel is given twice. The network can use either copy,
or both in equal parts. Which of these it does depends on the penalty.
"""

import torch
from common import BLUE, NETWORKS, axes, conclude, digits, fit, groups_of, judge, save, say

from bridle import L1, L2, Network

print("claim: L2 gives equal weights to equal inputs; L1 sets weights to exactly zero")
data = digits()
data = data._replace(X=data.X.repeat(1, 1, 2), X_test=data.X_test.repeat(1, 2))
names = ("no penalty", "L2", "L1")
none = [0.0] * NETWORKS
penalties = [
    L2(torch.tensor([*none, *[0.01] * NETWORKS, *none])),
    L1(torch.tensor([*none, *none, *[0.001] * NETWORKS])),
]
network = Network([128, 32, 32, 10], seeds=[*range(NETWORKS)] * 3)
fit(network, data, steps=600, penalties=penalties)

lit = (data.X[:, :, :64] > 0).any(1)  # pixels that are always dark get no gradient
first = network.weights[0].detach()
twins = torch.stack([first[:, :64], first[:, 64:]])  # [2, networks, pixels, units]
twins = twins * lit.repeat(3, 1)[:, :, None]
apart = (twins[0] - twins[1]).abs().sum((1, 2)) / twins.abs().sum((0, 2, 3))
apart = groups_of(100 * apart)
zeros = ((first == 0) & lit.repeat(3, 2)[:, :, None]).double().sum((1, 2))
zeros = groups_of(100 * zeros / (lit.repeat(3, 2).sum(1) * first.shape[2]))
accuracy = judge(network, data.X_test, data.y_test)[0]
for group, name in enumerate(names):
    say(f"{name}: difference between twin weights", apart[group], " % of their size")
    say(f"{name}: exact zeros in the first layer", zeros[group], " %")
    say(f"{name}: test accuracy", accuracy[group], " %")
evener = say("L2 brings twins closer by", apart[0] - apart[1], " points")
zeroed = say("L1 has more zeros than L2 by", zeros[2] - zeros[1], " points")
conclude(evener[0] > 0 and apart[1].max() < 5 and zeroed[0] > 0 and zeros[1].max() == 0)

figure, panels = axes(3, height=3.2, sharex=True, sharey=True)
for group, (axis, name) in enumerate(zip(panels, names, strict=True)):
    a, b = twins[:, group * NETWORKS, lit[0]].flatten(1)
    axis.plot(a, b, ".", markersize=2, color=BLUE, alpha=0.5)
    axis.axline((0, 0), slope=1, color="0.6", linewidth=0.8, zorder=0)
    axis.set(title=name, xlabel="weight of a pixel", xticks=(-0.5, 0, 0.5), yticks=(-0.5, 0, 0.5))
panels[0].set_ylabel("weight of its twin")
save(figure, __file__)
