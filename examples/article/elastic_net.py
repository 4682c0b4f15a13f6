"""The elastic net does both: zeros like L1, equal weights for equal inputs like L2.

Run ``python elastic_net.py [FIGURE]``. Every pixel is given twice, as in ``l2_and_l1.py``. L1 alone
keeps one of the two copies, or both unevenly, depending on the initial weights. With a little L2
in addition, both copies stay or both become zero.
"""

import torch
from common import BLUE, NETWORKS, RED, axes, conclude, digits, fit, groups_of, interval, save, say

from bridle import ElasticNet, Network

print("claim: with L2 added to L1, most zeros remain, and twin weights become equal")
data = digits()
data = data._replace(X=data.X.repeat(1, 1, 2), X_test=data.X_test.repeat(1, 2))
strengths = (0.0, 0.001, 0.002, 0.005)  # of l2; l1 is the same for all
l2 = torch.tensor(strengths).repeat_interleave(NETWORKS)
network = Network([128, 32, 32, 10], seeds=[*range(NETWORKS)] * len(strengths))
fit(network, data, steps=600, penalties=[ElasticNet(l1=torch.full_like(l2, 0.001), l2=l2)])

first = network.weights[0].detach()
one, other = first[:, :64], first[:, 64:]
apart = (one - other).abs().sum((1, 2)) / (one.abs() + other.abs()).sum((1, 2))
apart = groups_of(100 * apart)
zeros = groups_of(100 * (first == 0).double().mean((1, 2)))
alone = groups_of(100 * ((one == 0) != (other == 0)).double().sum((1, 2)) / (one != 0).sum((1, 2)))
for group, strength in enumerate(strengths):
    say(f"l2 = {strength}: exact zeros in the first layer", zeros[group], " %")
    say(f"l2 = {strength}: difference between twin weights", apart[group], " % of their size")
    say(f"l2 = {strength}: nonzero weights whose twin is zero", alone[group], " %")
evener = say("the elastic net brings twins closer by", apart[0] - apart[-1], " points")
say("it has fewer zeros by", zeros[0] - zeros[-1], " points")
conclude(evener[0] > 0 and apart[-1].max() < 5 and zeros[-1].min() > 50)

figure, axis = axes(1, width=5)
for name, values, color, style in (
    ("exact zeros", zeros, BLUE, "o-"),
    ("difference of twins", apart, RED, "s--"),
):
    mean, half = interval(values)
    axis.errorbar(strengths, mean, half, fmt=style, color=color, capsize=3, label=name)
axis.set(xlabel="l2, beside l1 = 0.001", ylabel="percent", ylim=(0, 100))
axis.legend(frameon=False)
save(figure, __file__)
