"""A plain PyTorch training loop with bridle.

Run ``python examples/plain_loop.py``.
"""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

import bridle

X, y = load_digits(return_X_y=True)
X = torch.tensor(X / 16, dtype=torch.float32)
y = torch.tensor(y)
X, X_new, y, y_new = train_test_split(X, y, train_size=300, random_state=0)

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0)

rules = {nn.ReLU: bridle.Dropout(keep_prob=0.5), "*": bridle.L1(0.05)}
receipt = bridle.regularize(model, rules, optimizer=optimizer)  # the one new line
print(receipt)

for _ in range(60):
    for rows in torch.randperm(len(X)).split(32):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
        optimizer.step()

print(f"the audit passes: {bridle.audit(model, optimizer, (X, y)).passed}")
receipt.undo()
model.eval()
for name, rows, classes in (("training", X, y), ("held-out", X_new, y_new)):
    accuracy = (model(rows).argmax(1) == classes).float().mean()
    print(f"{name} accuracy: {accuracy:.3f}")
print(f"exact zeros: {(model[0].weight == 0).float().mean():.0%}")
