"""A network of three layers with ``train_step`` and ``predict``, compared with NumPy code.

Run ``python three_layers.py [FIGURE]``. ``train_step`` is a forward pass with masks, a backward
pass and an update. The script does the same in NumPy with the same masks, and compares.
"""

import numpy as np
import torch
from common import BLUE, RED, axes, conclude, digits, save

from bridle import L1, L2, Dropout, Network, predict, train_step

print("claim: train_step and predict match the formulas up to rounding")
p, rate, l1, l2 = 0.5, 0.1, 1e-4, 1e-3
data = digits(rows=150)
X, y = data.X[0].double(), data.y[0]
network = Network([64, 32, 32, 10], hidden_noise=Dropout(keep_prob=p), dtype=torch.float64)
optimizer = torch.optim.SGD(network.parameters(), lr=rate)
weights = [weight[0].detach().numpy().copy() for weight in network.weights]
biases = [bias[0].detach().numpy().copy() for bias in network.biases]


def step_by_hand(x, labels, masks):
    """Forward, backward, update; inverted dropout, L1 and L2 in the loss."""
    first = np.maximum(x @ weights[0] + biases[0], 0) * masks[0]
    second = np.maximum(first @ weights[1] + biases[1], 0) * masks[1]
    scores = second @ weights[2] + biases[2]
    chance = np.exp(scores - scores.max(1, keepdims=True))
    chance /= chance.sum(1, keepdims=True)
    loss = -np.log(chance[np.arange(len(labels)), labels]).mean()
    back = (chance - np.eye(10)[labels]) / len(labels)
    inputs = (x, first, second)
    for layer in (2, 1, 0):
        gradient = inputs[layer].T @ back
        biases[layer] -= rate * back.sum(0)
        if layer:
            back = back @ weights[layer].T * masks[layer - 1] * (inputs[layer] > 0)
        weights[layer] -= rate * (gradient + l1 * np.sign(weights[layer]) + l2 * weights[layer])
    return loss


draw = torch.Generator().manual_seed(0)
ours, by_hand, accuracy = [], [], []
for _ in range(400):
    rows = torch.randint(len(X), (40,), generator=draw)
    ones = torch.ones(1, 40, 32, dtype=torch.float64)
    masks = [network.hidden_noise.train(ones, network.address(2 * at))[0].numpy() for at in (1, 2)]
    by_hand.append(step_by_hand(X[rows].numpy(), y[rows].numpy(), masks))
    loss = train_step(
        network, (X[rows], y[rows]), optimizer=optimizer, penalties=[L1(l1), L2(l2)], mode="coupled"
    )
    ours.append(loss.item())
    predicted = predict(network, data.X_test.double())[0].argmax(-1)
    accuracy.append(100 * (predicted == data.y_test).double().mean().item())

difference = max(
    np.abs(theirs - mine[0].detach().numpy()).max()
    for theirs, mine in zip((*weights, *biases), (*network.weights, *network.biases), strict=True)
)
print(f"steps: {len(ours)}")
print(f"largest difference of a weight × 10¹²: {1e12 * difference:.4f}")
print(f"largest difference of a loss × 10¹²: {1e12 * np.abs(np.subtract(ours, by_hand)).max():.4f}")
print(f"test accuracy by predict: {accuracy[-1]:.1f} %")
conclude(difference < 1e-9 and accuracy[-1] > 80)

figure, (left, right) = axes(2)
left.plot(ours, color=BLUE, label="train_step")
left.plot(
    range(0, 400, 20),
    by_hand[::20],
    "o",
    color=RED,
    markersize=4,
    fillstyle="none",
    label="by hand",
)
left.set(xlabel="step", ylabel="loss of the batch, noise on", ylim=(0, None))
left.legend(frameon=False)
right.plot(accuracy, color=BLUE)
right.set(xlabel="step", ylabel="test accuracy by predict, %", ylim=(0, 100))
save(figure, __file__)
