"""bridle in skorch: one callback. scikit-learn's grid search can choose its rules.

Run ``python examples/skorch_callback.py``; it needs ``pip install 'bridle[skorch]'``.
"""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from skorch import NeuralNetClassifier
from torch import nn

import bridle
from bridle.integrations.skorch import BridleCallback

X, y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")
X, X_new, y, y_new = train_test_split(X, y, train_size=300, random_state=0)

torch.manual_seed(0)
net = NeuralNetClassifier(
    nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)),
    criterion=nn.CrossEntropyLoss,
    optimizer=torch.optim.Adam,
    lr=3e-3,
    max_epochs=20,
    batch_size=32,
    train_split=None,
    callbacks=[("bridle", BridleCallback({"*": bridle.L1(0.0)}))],
    verbose=0,
)
choices = [
    {"*": bridle.L1(0.02)},
    {"*": bridle.L1(0.05), nn.ReLU: bridle.Dropout(keep_prob=0.5)},
]
search = GridSearchCV(net, {"callbacks__bridle__rules": choices}, cv=3)
search.fit(X, y)
for rules, score in zip(choices, search.cv_results_["mean_test_score"], strict=True):
    print(f"{len(rules)} rules, accuracy over the folds: {score:.3f}")
chosen = search.best_estimator_
print(f"held-out accuracy: {chosen.score(X_new, y_new):.3f}")
print(f"exact zeros: {(chosen.module_[0].weight == 0).float().mean():.0%}")
