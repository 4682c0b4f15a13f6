# /// script
# requires-python = ">=3.10"
# dependencies = ["lassonet==0.0.21", "torch==2.13.0", "numpy"]
# ///
"""Measures the record of LassoNet."""

import numpy as np
import probes
import torch
from lassonet import LassoNetRegressor
from torch import nn

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3)).astype("f")
y = (X[:, 0] - X[:, 1]).astype("f")


def weights(**options):
    model = LassoNetRegressor(
        hidden_dims=(4,),
        n_iters=(5, 2),
        random_state=0,
        torch_seed=0,
        verbose=False,
        **options,
    )
    path = model.path(X, y, lambda_seq=[0.1], return_state_dicts=True)
    states = path[0].state_dict
    return torch.cat([value.flatten() for value in states.values()])


def dropped():
    model = LassoNetRegressor(hidden_dims=(4,), n_iters=(2, 2), dropout=0.5, verbose=False)
    model.path(X, y, lambda_seq=[0.1])
    return any(isinstance(each, nn.Dropout) for each in model.model.modules())


def zeros():
    model = LassoNetRegressor(
        hidden_dims=(4,),
        n_iters=(20, 5),
        random_state=0,
        torch_seed=0,
        verbose=False,
    )
    path = model.path(X, y, lambda_seq=[0.1, 1e5], return_state_dicts=True)
    return any(bool((each.state_dict["skip.weight"] == 0).any()) for each in path)


plain, strong = weights(gamma=0.0), weights(gamma=1000.0)
skip = weights(gamma_skip=1000.0)
probes.report(
    "lassonet",
    gamma={
        "default": probes.default(LassoNetRegressor.__init__, "gamma"),
        "changes_the_first_weights": not bool(torch.equal(plain, strong)),
    },
    gamma_skip={
        "default": probes.default(LassoNetRegressor.__init__, "gamma_skip"),
        "changes_the_first_weights": not bool(torch.equal(plain, skip)),
    },
    lambda_={"norm": "l1", "exact_zeros": zeros()},
    M={"default": probes.default(LassoNetRegressor.__init__, "M")},
    dropout={
        "probability": "drop",
        "default": probes.default(LassoNetRegressor.__init__, "dropout"),
        "is_a_module": dropped(),
    },
)
