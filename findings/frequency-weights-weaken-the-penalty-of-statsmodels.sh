#!/usr/bin/env bash
# statsmodels 0.15.0, GLM.fit_regularized with freq_weights.
#
# Behaviour: a row with the frequency 10 should count as ten equal rows. fit gives the same for both,
# fit_regularized does not: the weighted log-likelihood is divided by the number of rows and not by the
# sum of the frequencies, so that frequencies of 10 make the penalty ten times weaker. WLS of the same
# library scales the penalty so that a common factor of the weights has no effect.
#
# Output seen:
#   fit: 1.7127, each row ten times 1.7127
#   fit_regularized: 1.2845 with frequency 10, each row ten times 0.5001
#   fit_regularized, alpha / 10, each row ten times: 1.2845
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet statsmodels==0.15.0 pandas==3.1.1 scipy==1.17.1 numpy==2.4.6
"$folder/environment/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import statsmodels
import statsmodels.api as sm

assert statsmodels.__version__ == "0.15.0"
rng = np.random.default_rng(0)
X = rng.normal(size=(60, 1))
y = (X[:, 0] + rng.logistic(size=60) * 0.7 > 0).astype(float)
binomial = sm.families.Binomial()
weighted = sm.GLM(y, X, family=binomial, freq_weights=np.full(60, 10.0))
repeated = sm.GLM(np.repeat(y, 10), np.repeat(X, 10, axis=0), family=binomial)


def ridge(model, alpha):
    return float(model.fit_regularized(alpha=alpha, L1_wt=0.0).params[0])


plain = [float(model.fit().params[0]) for model in (weighted, repeated)]
print(f"fit: {plain[0]:.4f}, each row ten times {plain[1]:.4f}")
found = ridge(weighted, 0.3), ridge(repeated, 0.3)
print(f"fit_regularized: {found[0]:.4f} with frequency 10, each row ten times {found[1]:.4f}")
weaker = ridge(repeated, 0.03)
print(f"fit_regularized, alpha / 10, each row ten times: {weaker:.4f}")
assert abs(plain[0] - plain[1]) < 1e-6 and abs(found[0] - weaker) < 1e-4
assert found[0] > 1.2 * found[1]
PYTHON
