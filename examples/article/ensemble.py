"""One pass with dropout off comes near the average of all the subnetworks.

Run ``python ensemble.py [FIGURE]``. A network of 10 hidden units has 2¹⁰ subnetworks: all of them
are averaged. Of one with 128 hidden units, more and more are drawn.
"""

from itertools import product

import numpy as np
import torch
from common import BLUE, GREY, NETWORKS, RED, axes, conclude, digits, fit, groups_of, interval, save
from common import say

from bridle import Dropout, Network, predict

print("claim: weight scaling, one pass, approximates the average over the subnetworks")
data = digits()
seeds = [*range(NETWORKS)]
X = data.X_test[:300]


def distance(a, b):
    """Return the mean total variation of predicted classes, in percent: ``[8]``."""
    return groups_of(100 * 0.5 * (a - b).abs().sum(-1).mean(-1))[0]


# ---- all subnetworks of a small network, in float64
small = Network([64, 10, 10], seeds=seeds, hidden_noise=Dropout(keep_prob=0.5))
fit(small, data, steps=300, learning_rate=0.05)
small, X64 = small.double(), X.double()
with torch.no_grad():
    masks = torch.tensor(list(product((0.0, 2.0), repeat=10)), dtype=torch.float64)
    hidden = torch.relu(X64 @ small.weights[0] + small.biases[0])
    scores = (masks[:, None, None] * hidden) @ small.weights[1] + small.biases[1]
    one_pass = predict(small, X64).softmax(-1)
    arithmetic = scores.softmax(-1).mean(0)
    geometric = scores.log_softmax(-1).mean(0).softmax(-1)
    single = torch.stack(
        [distance(each, arithmetic) for each in scores.softmax(-1)[::16]]
        if False
        else [torch.tensor(distance(each, arithmetic)) for each in scores.softmax(-1)[::16]]
    )
say(
    "10 units: distance of one pass from the average of all 1024",
    distance(one_pass, arithmetic),
    " %",
)
say("10 units: distance of a single subnetwork", single.mean(0).numpy(), " %")
exact = (one_pass - geometric).abs().max()
print(f"10 units: largest difference from the geometric average × 10¹²: {1e12 * exact:.4f}")

# ---- some subnetworks of the article's network
network = Network([64, 64, 64, 10], seeds=seeds, hidden_noise=Dropout(keep_prob=0.5))
fit(network, data, steps=400, learning_rate=0.05)
with torch.no_grad():
    drawn = []
    for _ in range(600):
        network.steps += 1  # the address of the next masks
        drawn.append(network(X, noise=True).softmax(-1))
    drawn = torch.stack(drawn)
    average, drawn = drawn[100:].mean(0), drawn[:100]
    one_pass = predict(network, X).softmax(-1)
counts = (1, 2, 3, 5, 10, 20, 50, 100)
of_counts = np.array([distance(drawn[:count].mean(0), average) for count in counts])
of_pass = distance(one_pass, average)
agree = groups_of(100 * (one_pass.argmax(-1) == average.argmax(-1)).double().mean(-1))[0]
nearer = of_counts[0] / of_pass
say("three layers: distance of one pass from the average of 500", of_pass, " %")
say("three layers: distance of one subnetwork", of_counts[0], " %")
say("three layers: distance of 10 averaged", of_counts[4], " %")
say("three layers: rows on which one pass and the average name the same class", agree, " %")
better = say("three layers: one pass is nearer than one subnetwork, times", nearer)
conclude(better[0] > 1.5 and agree.mean() > 95 and exact < 1e-12)

figure, axis = axes(1, width=5.5)
mean, half = interval(of_counts)
axis.errorbar(counts, mean, half, fmt="o-", color=BLUE, capsize=3, label="average of so many drawn")
mean, half = interval(of_pass)
axis.axhspan(mean - half, mean + half, color=RED, alpha=0.2, linewidth=0)
axis.axhline(mean, color=RED, linestyle="--", label="one pass with dropout off")
axis.set(
    xscale="log", xlabel="subnetworks", ylabel="distance from the average of 500, %", ylim=(0, None)
)
axis.legend(frameon=False)
save(figure, __file__)
