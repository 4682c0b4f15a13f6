"""One pass with dropout off approximates the average of all subnetworks.

Run ``python ensemble.py [FIGURE]``. A network with 10 hidden units has 2¹⁰ subnetworks, and all of
them are averaged. Of a network with 128 hidden units, an increasing number is sampled.
"""

from itertools import product

import numpy as np
import torch
from common import BLUE, NETWORKS, RED, axes, conclude, digits, fit, groups_of, interval, save, say

from bridle import Dropout, Network, predict

print("claim: one pass with weight scaling approximates the average over the subnetworks")
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
    chances = scores.softmax(-1)
    arithmetic = chances.mean(0)
    geometric = scores.log_softmax(-1).mean(0).softmax(-1)
    single = np.mean([distance(each, arithmetic) for each in chances[::16]], axis=0)
say(
    "10 units: distance of one pass from the average of all 1024",
    distance(one_pass, arithmetic),
    " %",
)
say("10 units: distance of one subnetwork from it", single, " %")
exact = (one_pass - geometric).abs().max()
print(f"10 units: |one pass - geometric average|, largest × 10¹²: {1e12 * exact:.4f}")

# ---- some subnetworks of the article's network
network = Network([64, 64, 64, 10], seeds=seeds, hidden_noise=Dropout(keep_prob=0.5))
fit(network, data, steps=400, learning_rate=0.05)
with torch.no_grad():
    logs = []
    for _ in range(500):
        network.steps += 1  # the address of the next masks; each row draws its own subnetwork
        logs.append(network(X, noise=True).log_softmax(-1))
    logs = torch.stack(logs)
    average, geometric = logs[100:].exp().mean(0), logs[100:].mean(0).softmax(-1)
    one_pass = predict(network, X).softmax(-1)
counts = (1, 2, 3, 5, 10, 20, 50, 100)
of_counts = [logs[:count].exp().mean(0) for count in counts]


def errors(chances):
    """Return the share of rows whose class is wrong, in percent: ``[8]``."""
    return groups_of(100 * (chances.argmax(-1) != data.y_test[:300]).double().mean(-1))[0]


far = np.array([distance(chances, average) for chances in of_counts])
wrong = np.array([errors(chances) for chances in of_counts])
agree = groups_of(100 * (one_pass.argmax(-1) == average.argmax(-1)).double().mean(-1))[0]
say("three layers: distance of one pass from the average of 400", distance(one_pass, average), " %")
say(
    "three layers: distance of one pass from their geometric average",
    distance(one_pass, geometric),
    " %",
)
say("three layers: distance of one subnetwork from the average", far[0], " %")
say("three layers: distance of the average of 10 from it", far[4], " %")
say("three layers: rows where one pass and the average predict the same class", agree, " %")
for name, chances in (("one pass", one_pass), ("the average of 400", average)):
    sure = groups_of(100 * chances.amax(-1).mean(-1))[0]
    say(f"three layers: probability of the predicted class, {name}", sure, " %")
say("three layers: error of one subnetwork", wrong[0], " %")
say("three layers: error of the average of 400", errors(average), " %")
say("three layers: error of one pass", errors(one_pass), " %")
nearer = say(
    "one pass is closer to the average than one subnetwork by",
    far[0] - distance(one_pass, average),
    " points",
)
same = say(
    "error of one pass minus error of the average",
    errors(one_pass) - errors(average),
    " points",
    2,
)
conclude(nearer[0] > 0 and agree.mean() > 95 and same[1] < 2 and exact < 1e-12)

figure, panels = axes(2)
for axis, values, line, label in (
    (panels[0], far, distance(one_pass, average), "distance from the average of 400, %"),
    (panels[1], wrong, errors(one_pass), "error on new rows, %"),
):
    mean, half = interval(values)
    axis.errorbar(counts, mean, half, fmt="o-", color=BLUE, capsize=3, label="average of several")
    mean, half = interval(line)
    axis.axhspan(mean - half, mean + half, color=RED, alpha=0.2, linewidth=0)
    axis.axhline(mean, color=RED, linestyle="--", label="one pass, dropout off")
    axis.set(xscale="log", xlabel="subnetworks", ylabel=label, ylim=(0, None))
    axis.set_xticks(counts, counts)
    axis.minorticks_off()
panels[0].legend(frameon=False)
save(figure, __file__)
