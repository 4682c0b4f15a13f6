# /// script
# requires-python = ">=3.12"
# dependencies = ["xgboost==3.4.1", "numpy"]
# ///
"""Measures the record of XGBoost's dart and of its penalties."""

import numpy as np
import probes
import xgboost as xgb

rng = np.random.default_rng(0)
x, y = rng.normal(size=(200, 3)), rng.normal(size=200)
data = xgb.DMatrix(x, y)
base = {"max_depth": 2, "verbosity": 0, "nthread": 1, "seed": 1}


def trained(rounds=10, **options):
    return xgb.train({**base, **options}, data, rounds)


def same(one, other, **options):
    return bool(np.allclose(one.predict(data), other.predict(data, **options)))


def leaf(**options):
    """Return the value of the only leaf: sum of gradients / (rows + lambda) for squared errors."""
    ones = xgb.DMatrix(np.zeros((10, 1)), np.ones(10))
    params = {**base, "base_score": 0.0, "eta": 1.0, "lambda": 0.0, "alpha": 0.0, **options}
    return float(xgb.train(params, ones, 1).predict(ones)[0])


dropped = trained(booster="dart", rate_drop=0.5)
probes.report(
    "xgboost",
    rate_drop={
        "default": 0.0 if same(trained(booster="dart"), trained()) else 0.5,
        "changes_dart": not same(dropped, trained(booster="dart")),
        "changes_gbtree": not same(trained(booster="gbtree", rate_drop=0.5), trained()),
        "prediction": "identity" if same(dropped, dropped) else "active",
        "acts_at_prediction_with_training": not same(dropped, dropped, training=True),
    },
    reg_lambda={
        "norm": "l2",
        # the least value of sum (1 - w)^2 / 2 + factor lambda w^2 is 10 / (10 + 2 factor lambda)
        "factor": round((10 / leaf(**{"lambda": 5.0}) - 10) / 5 / 2, 3),
        "default": 1.0
        if abs(leaf(**{"lambda": 1.0}) - 10 / 11) < 1e-5
        and same(trained(), trained(reg_lambda=1.0))
        else None,
    },
    reg_alpha={
        "norm": "l1",
        "factor": round((1 - leaf(alpha=5.0)) * 10 / 5, 3),
        "exact_zeros": leaf(alpha=20.0) == 0.0,
        "default": 0.0 if same(trained(), trained(reg_alpha=0.0)) else None,
    },
)
