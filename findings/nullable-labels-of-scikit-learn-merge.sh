#!/usr/bin/env bash
# scikit-learn 1.9.1 with pandas 3.1.1, MLPClassifier, labels in a nullable column (dtype Int64) of
# which none is missing.
#
# Behaviour: the labels are converted to 64-bit floats on the way in. Integers beyond 2 ** 53, such as
# 64-bit identifiers, become equal to their neighbours: the classifier learns fewer classes than there
# are, without a warning, and what it predicts are floats. Its own score still counts those rows as
# right. The same numbers in a plain int64 column stay apart.
#
# Output seen:
#   int64: 3 classes of dtype int64, 60 of 60 predictions right, score 1.00
#   Int64: 2 classes of dtype float64, 40 of 60 predictions right, score 1.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet scikit-learn==1.9.1 pandas==3.1.1 numpy==2.4.6
"$folder/environment/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import pandas as pd
import sklearn
from sklearn.neural_network import MLPClassifier

assert (sklearn.__version__, pd.__version__) == ("1.9.1", "3.1.1")
kinds = np.repeat([0, 1, 2], 20)
X = np.random.default_rng(0).normal(size=(60, 3)) * 0.1 + np.eye(3)[kinds]
labels = 2**53 + kinds
found = {}
for dtype in ("int64", "Int64"):
    y = pd.Series(labels, dtype=dtype)
    model = MLPClassifier((8,), solver="lbfgs", random_state=0).fit(X, y)
    pairs = zip(model.predict(X).tolist(), labels.tolist())
    right = sum(int(predicted) == label for predicted, label in pairs)
    found[dtype] = len(model.classes_), str(model.classes_.dtype), right, model.score(X, y)
    print(
        "{}: {} classes of dtype {}, {} of 60 predictions right, score {:.2f}".format(
            dtype, *found[dtype]
        )
    )
assert found == {"int64": (3, "int64", 60, 1.0), "Int64": (2, "float64", 40, 1.0)}
PYTHON
