"""DropConnect beside dropout: weights are dropped instead of units, and it restrains as well.

Run ``python drop_connect.py [FIGURE]``. A fifth of the training labels are drawn at random.
"""

import torch
from common import BLUE, NETWORKS, RED, axes, conclude, digits, fit, interval, judge, save, say

from bridle import DropConnect, Dropout, Network

print("claim: dropout and DropConnect both narrow the gap, and gain on new rows")
data = digits(wrong=0.2)
names = ("nothing", "dropout", "DropConnect")
one, half = [1.0] * NETWORKS, [0.5] * NETWORKS
network = Network(
    [64, 64, 64, 10],
    seeds=[*range(NETWORKS)] * 3,
    hidden_noise=Dropout(keep_prob=torch.tensor([*one, *half, *one])),
    weight_noise=DropConnect(keep_prob=torch.tensor([*one, *one, *half])),
)
fit(network, data, steps=400, learning_rate=0.02)
training = judge(network, data.X.repeat(3, 1, 1), data.y)[0]
test = judge(network, data.X_test, data.y_test)[0]
gap = training - test
for group, name in enumerate(names):
    say(f"{name}: training accuracy", training[group], " %")
    say(f"{name}: test accuracy", test[group], " %")
gains = [say(f"{names[at]} narrows the gap by", gap[0] - gap[at], " points") for at in (1, 2)]
gains += [
    say(f"{names[at]} gains on the test part", test[at] - test[0], " points") for at in (1, 2)
]
low, high = say("DropConnect's test accuracy less dropout's", test[2] - test[1], " points")
verdict = "DropConnect" if low > 0 else "dropout" if high < 0 else "cannot tell"
print(f"the better of the two: {verdict}")
conclude(all(low > 0 for low, _ in gains))

figure, axis = axes(1, width=5.5)
for name, values, color, marker, at in (
    ("training", training, BLUE, "o", -0.1),
    ("test", test, RED, "s", 0.1),
):
    mean, error = interval(values)
    places = [group + at for group in range(3)]
    axis.errorbar(places, mean, error, fmt=marker, color=color, capsize=4, label=name)
    axis.plot(
        [group + at for group in range(3) for _ in range(NETWORKS)],
        values.ravel(),
        ".",
        color=color,
        alpha=0.3,
    )
axis.set(xticks=range(3), xticklabels=names, ylabel="accuracy, %", ylim=(50, 102))
axis.legend(frameon=False, loc="upper right")
save(figure, __file__)
