"""DropConnect compared with dropout: it drops weights instead of units, and regularizes too.

Run ``python drop_connect.py [FIGURE]``. A fifth of the training labels are random.
"""

import torch
from common import BLUE, NETWORKS, RED, axes, conclude, digits, fit, interval, judge, save, say

from bridle import DropConnect, Dropout, Network

print("claim: dropout and DropConnect both narrow the gap and raise test accuracy")
data = digits(wrong=0.2)
names = ("plain", "dropout 0.7", "DropConnect 0.7", "DropConnect 0.5")


def for_each_group(*values):
    """Return a value for each network: eight networks a group."""
    return torch.tensor(values).repeat_interleave(NETWORKS)


network = Network(
    [64, 64, 64, 10],
    seeds=[*range(NETWORKS)] * 4,
    hidden_noise=Dropout(keep_prob=for_each_group(1.0, 0.7, 1.0, 1.0)),
    weight_noise=DropConnect(keep_prob=for_each_group(1.0, 1.0, 0.7, 0.5)),
)
fit(network, data, steps=400, learning_rate=0.02)
training = judge(network, data.X.repeat(4, 1, 1), data.y)[0]
test = judge(network, data.X_test, data.y_test)[0]
gap = training - test
helped = []
for group, name in enumerate(names):
    say(f"{name}: training accuracy", training[group], " %")
    say(f"{name}: test accuracy", test[group], " %")
    if group:
        narrower = say(f"{name} narrows the gap by", gap[0] - gap[group], " points")
        gains = say(f"{name} raises test accuracy by", test[group] - test[0], " points")
        helped.append(narrower[0] > 0 and gains[0] > 0)
say("at 0.7, DropConnect's test accuracy minus dropout's", test[2] - test[1], " points")
conclude(helped[0] and helped[1])

figure, axis = axes(1, width=6.5)
for at, (name, values, color, marker) in enumerate(
    (("training", training, BLUE, "o"), ("test", test, RED, "s"))
):
    mean, error = interval(values)
    places = torch.arange(len(names)) + 0.2 * at - 0.1
    axis.errorbar(places, mean, error, fmt=marker, color=color, capsize=4, label=name)
    axis.plot(places + 0.06, values, ".", color=color, alpha=0.35, markersize=4)
axis.set(xticks=range(len(names)), xticklabels=names, ylabel="accuracy, %", ylim=(50, 102))
axis.legend(frameon=False, loc="upper right")
save(figure, __file__)
