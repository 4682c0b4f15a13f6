#!/usr/bin/env bash
# skore 0.28.0 with scikit-learn 1.9.1, checks SKD001 "Potential overfitting" and SKD002.
#
# Behaviour: the verdict on a regression depends on the unit of the target. RMSE and MAE vote only if
# their gap is at least 0.03 in the target's own unit, beside the share of 10 %. So the same tree on
# the same rows "overfits" in centimetres and not in metres. R² is the same in both, and has two votes
# of five: as itself and as the estimator's own score.
#
# Output seen:
#   centimetres: R² 1.00 in training, 0.70 on test rows, overfitting found
#   metres: R² 1.00 in training, 0.71 on test rows, nothing found
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet skore==0.28.0 scikit-learn==1.9.1 numpy==2.4.6
"$folder/environment/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import skore
from sklearn.tree import DecisionTreeRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 3))
height = 170 + 4 * X[:, 0] + 1.5 * rng.normal(size=400)
found = {}
for name, y in {"centimetres": height, "metres": height / 100}.items():
    report = skore.EstimatorReport(
        DecisionTreeRegressor(random_state=0),
        X_train=X[:200], y_train=y[:200], X_test=X[200:], y_test=y[200:],
    )
    codes = set(report.checks.summarize(fast_mode=True).frame(section="issue")["code"])
    scores = [report.estimator_.score(*part) for part in ((X[:200], y[:200]), (X[200:], y[200:]))]
    found[name] = "SKD001" in codes
    said = "overfitting found" if found[name] else "nothing found"
    print(f"{name}: R² {scores[0]:.2f} in training, {scores[1]:.2f} on test rows, {said}")
assert found == {"centimetres": True, "metres": False}
PYTHON
