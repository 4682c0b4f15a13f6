"""Classic and inverted dropout are the same network in two parametrizations.

Run ``python scalings.py [FIGURE]``. Classic dropout multiplies by p at prediction, inverted
dropout divides by p in training. Multiply the weights behind dropout by p, and their learning rate
by p² (once for the weight, once for its gradient). The two networks then stay equal.
"""

import copy

import torch
from common import BLUE, GREY, NETWORKS, RED, axes, conclude, digits, interval, judge, save, say

from bridle import Dropout, Network, predict, train_step

print("claim: classic and inverted dropout, trained separately with the same masks, agree")
rate = 0.1
data = digits()
data = data._replace(X=data.X.double(), X_test=data.X_test.double())
noise = Dropout(keep_prob=0.7, scaling="classic")
p = noise.drawn_keep_prob  # 0.7 to the nearest 1/65536
classic = Network(
    [64, 64, 64, 10], seeds=[*range(NETWORKS)], hidden_noise=noise, dtype=torch.float64
)
inverted = classic.with_scaling("inverted")  # its weights behind dropout are p times as large
untouched = copy.deepcopy(inverted)  # trained with the classic one's learning rate instead


def sgd(network, factor):
    """Return SGD whose steps for the weights behind dropout are longer by a factor."""
    behind = [{"params": list(network.weights[1:]), "lr": rate * factor}]
    others = [{"params": [network.weights[0], *network.biases]}]
    return torch.optim.SGD(others + behind, lr=rate)


pairs = (
    (classic, sgd(classic, 1)),
    (inverted, sgd(inverted, p**2)),
    (untouched, sgd(untouched, 1)),
)
draw = torch.Generator().manual_seed(0)
steps, losses, differences = [], [], []
for step in range(1, 301):
    rows = torch.randint(data.X.shape[1], (40,), generator=draw)
    for network, optimizer in pairs:
        train_step(network, (data.X[:, rows], data.y[:, rows]), optimizer=optimizer)
    if step % 20 == 0:
        outputs = [predict(network, data.X_test) for network, _ in pairs]
        steps.append(step)
        losses.append([judge(network, data.X_test, data.y_test)[1][0] for network, _ in pairs])
        differences.append((outputs[0] - outputs[1]).abs().amax((1, 2)) / outputs[0].abs().max())

say("largest relative difference of scores × 10¹²", 1e12 * differences[-1], digits=3)
accuracies = [judge(network, data.X_test, data.y_test)[0][0] for network, _ in pairs]
say("classic: test accuracy", accuracies[0], " %")
say("inverted: test accuracy", accuracies[1], " %")
difference = accuracies[2] - accuracies[0]
say("inverted, unchanged learning rate: test accuracy higher by", difference, " points")
conclude(max(float(each.max()) for each in differences) < 1e-9)

figure, (left, right) = axes(2)
styles = (
    ("classic", BLUE, "-"),
    ("inverted, steps × p²", RED, "--"),
    ("inverted, same steps", GREY, ":"),
)
for at, (name, color, style) in enumerate(styles):
    left.plot(steps, interval([each[at] for each in losses])[0], style, color=color, label=name)
left.set(xlabel="step", ylabel="test cross-entropy, noise off", ylim=(0, None))
left.legend(frameon=False)
for network in torch.stack(differences).T:
    right.semilogy(steps, network, color=GREY, linewidth=0.8)
right.axhline(2.2e-16, color="black", linewidth=0.8, linestyle=":")
right.text(steps[-1], 2e-16, "rounding error of float64", ha="right", va="top", fontsize=8)
right.set(xlabel="step", ylabel="largest relative difference", ylim=(1e-17, 1e-12))
save(figure, __file__)
