# /// script
# requires-python = ">=3.12"
# dependencies = ["lightgbm==4.7.0", "numpy"]
# ///
"""Measures the record of LightGBM's dart and of its penalties."""

import warnings

import lightgbm as lgb
import numpy as np
import probes

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
x, y = rng.normal(size=(200, 3)), rng.normal(size=200)
base = {"objective": "regression", "num_leaves": 4, "verbosity": -1, "num_threads": 1, "seed": 1}
base |= {"deterministic": True, "boost_from_average": False}


def trained(rounds=20, **options):
    return lgb.train({**base, **options}, lgb.Dataset(x, y), rounds).predict(x)


def same(**options):
    given = options.pop("beside", {})
    return bool(np.allclose(trained(**options), trained(**given)))


def stopped():
    held = lgb.Dataset(x, rng.normal(size=200))
    model = lgb.train(
        {**base, "boosting": "dart"},
        lgb.Dataset(x, y),
        30,
        valid_sets=[held],
        callbacks=[lgb.early_stopping(2, verbose=False)],
    )
    return model.num_trees(), model.best_iteration


def leaf(**options):
    """Return what one split gives on targets of 1 and of -1: 10 / (10 + lambda) of them."""
    params = {**base, "learning_rate": 1.0, "min_data_in_leaf": 1, "num_leaves": 2, "max_bin": 3}
    columns = np.repeat([[0.0], [1.0]], 10, axis=0)
    data = lgb.Dataset(columns, np.repeat([-1.0, 1.0], 10), params={"min_data_in_bin": 1})
    return float(lgb.train({**params, **options}, data, 1).predict([[1.0]])[0])


trees, best = stopped()
probes.report(
    "lightgbm",
    drop_rate={
        "default": 0.1
        if same(boosting="dart", beside={"boosting": "dart", "drop_rate": 0.1})
        and not same(boosting="dart", beside={"boosting": "dart", "drop_rate": 0.5})
        else None,
        "changes_gbdt": not same(drop_rate=0.5),
        "skip_drop_default_is_half": same(
            boosting="dart", beside={"boosting": "dart", "skip_drop": 0.5}
        ),
        "dart_stops_early": trees < 30,
        "best_iteration_of_dart": best,
    },
    lambda_l2={
        "norm": "l2",
        "factor": round((10 / leaf(lambda_l2=5.0) - 10) / 5 / 2, 3),
    },
    lambda_l1={
        "norm": "l1",
        "factor": round((1 - leaf(lambda_l1=5.0)) * 10 / 5, 3),
    },
)
