#!/usr/bin/env bash
# scikit-learn 1.9.1, MLPClassifier.partial_fit and MLPRegressor with warm_start=True.
#
# Behaviour: settings that were changed by set_params between two fits are silently left out, although
# get_params shows them. partial_fit goes on with the optimizer of the first call after solver was
# changed from "sgd" to "adam". A warm start of MLPRegressor goes on with the output activation of the
# old loss after loss was changed from "squared_error" to "poisson": its predictions are the logarithms
# of rates, and negative.
#
# Output seen:
#   solver adam, optimizer SGDOptimizer
#   loss poisson, output activation identity, predictions below 0: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet scikit-learn==1.9.1 numpy==2.4.6
"$folder/environment/bin/python" -W ignore - <<'PYTHON'
import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
labels, counts = (X[:, 0] > 0).astype(int), rng.poisson(0.3, size=60).astype(float)

classifier = MLPClassifier(hidden_layer_sizes=(4,), solver="sgd", random_state=0)
classifier.partial_fit(X, labels, classes=[0, 1])
classifier.set_params(solver="adam").partial_fit(X, labels)
optimizer = type(classifier._optimizer).__name__
print(f"solver {classifier.solver}, optimizer {optimizer}")
assert (classifier.solver, optimizer) == ("adam", "SGDOptimizer")

regressor = MLPRegressor(hidden_layer_sizes=(4,), max_iter=50, warm_start=True, random_state=0)
regressor.fit(X, counts)
regressor.set_params(loss="poisson").fit(X, counts)
negative = bool((regressor.predict(X) < 0).any())
activation = regressor.out_activation_
print(f"loss {regressor.loss}, output activation {activation}, predictions below 0: {negative}")
assert (regressor.loss, activation, negative) == ("poisson", "identity", True)
PYTHON
