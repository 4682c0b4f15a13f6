"""Recipes that name their optimizer, have groups, momentum or old names; what is refused."""

import re

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from bridle import UsageError
from bridle.dialects import translate

TIMM = "timm.optim.create_optimizer_v2(model, {}lr=0.1, weight_decay=1e-4)"
TRAINER = "transformers.TrainingArguments('o', optim={!r}, weight_decay=0.01)"


@pytest.mark.parametrize(
    ("recipe", "to", "line", "said"),
    [
        (
            TIMM.format("opt='sgd', "),
            "torch",
            "torch.optim.SGD(params, lr=0.1, weight_decay=0.0001)",
            "",
        ),
        (
            TIMM.format("opt='adam', "),
            "torch",
            "torch.optim.Adam(params, lr=0.1, weight_decay=0.0001)",
            "",
        ),
        (
            "torch.AdamW(weight_decay=0.1, lr=0.1)",
            "timm",
            "timm.optim.create_optimizer_v2(model_or_params, opt='adamw', lr=0.1, "
            "weight_decay=0.1)",
            "",
        ),
        (
            TRAINER.format("adamw_torch"),
            "torch",
            "torch.optim.AdamW(params, lr=5e-05, weight_decay=0.01)",
            "no learning_rate; 5e-05 is the default of Transformers",
        ),
        (
            "torch.AdamW([{'params': a}, b], weight_decay=0.1, lr=0.1)",
            "optax",
            "optax.adamw(learning_rate=0.1, weight_decay=0.1)",
            "",
        ),
        (
            "torch.SGD(momentum=0.9, weight_decay=5e-4)",
            "keras",
            "keras.optimizers.SGD(learning_rate=0.001, weight_decay=0.0005)",
            "acts 10 times .*: weight_decay=0.005 is alike",
        ),
        (
            "torch.SGD(momentum=0.9, dampening=0.5, weight_decay=5e-4)",
            "bridle",
            "bridle.L2(strength=0.0005)",
            "acts 5 times .*: strength=0.0025 is alike",
        ),
        (
            "keras.SGD(momentum=0.9, weight_decay=5e-4)",
            "torch",
            "torch.optim.SGD(params, lr=0.01, weight_decay=0.0005)",
            "of torch.SGD acts 10 times .* weight_decay=5e-05 is alike",
        ),
        (
            "keras.optimizers.SGD(weight_decay=1e-3)",
            "torch",
            "torch.optim.SGD(params, lr=0.01, weight_decay=0.001)",
            "the recipe has no learning_rate; 0.01 is the default of Keras",
        ),
        ("keras.regularizers.l2(0.01)", "bridle", "bridle.L2(strength=0.02)", ""),
        ("keras.l1_l2(0.1, 0.2)", "bridle", "bridle.ElasticNet(l1=0.1, l2=0.2)", ""),
        ("bridle.L1(0.1)", "keras.l1", "keras.regularizers.L1(l1=0.1)", ""),
        (
            "sklearn.LogisticRegression(penalty='l1', C=0.1, solver='saga')",
            "bridle",
            "bridle.L1(strength=0.1)",
            "",
        ),
        (
            "sklearn.LogisticRegression(penalty='l2', C=0.1)",
            "bridle",
            "bridle.L2(strength=0.1)",
            "",
        ),
        (
            "sklearn.LogisticRegression(penalty='elasticnet', C=0.1, l1_ratio=0.5)",
            "bridle",
            "bridle.ElasticNet(l1=0.05, l2=0.025)",
            "",
        ),
        (
            "sklearn.SGDClassifier(penalty='elasticnet', alpha=0.1, l1_ratio=0.5)",
            "bridle",
            "bridle.ElasticNet(l1=0.05, l2=0.025)",
            "",
        ),
        ("mx.gluon.nn.Dropout(0.2)", "torch", "torch.nn.Dropout(p=0.2)", ""),
    ],
)
def test_translation(recipe, to, line, said):
    found = translate(recipe, to, rows=100)
    assert found.line == line
    assert re.search(said, "; ".join(found.warnings))


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (TIMM.format(""), "does not say opt.*opt='adamw', opt='adam', opt='sgd'"),
        (TIMM.format("opt='adafactor', "), "no record of opt='adafactor'; there are .*'adamw'"),
        (TRAINER.format("adafactor"), "no record of optim='adafactor'"),
        ("xgboost.train(booster='gbtree', rate_drop=0.1)", "no record of booster='gbtree'"),
        ("torch.AdamW([{'params': a, 'weight_decay': 0}], lr=1e-3)", "a group with weight_decay"),
        ("torch.AdamW([dict(params=a, lr=0.1)], weight_decay=1e-3)", "a group with lr of its own"),
        ("torch.AdamW([{**a}], weight_decay=1e-3)", "a group with [*][*] of its own"),
        ("sklearn.LogisticRegression(penalty=None)", "penalty is None .* must be 'l1'"),
        ("sklearn.LogisticRegression(penalty='elasticnet')", "add l1_ratio="),
        ("sklearn.LogisticRegression(l1_ratio=0.5, C=0)", "C of .* infinite strength"),
        ("Lasso(alpha=0.1)", "of chainer, sklearn; write 'sklearn.Lasso"),
        ("xgboost.XGBClassifier(reg_lambda=1)", "'reg_lambda' is an argument of xgboost.XGBReg"),
    ],
)
def test_refused(recipe, message):
    with pytest.raises(UsageError, match=message):
        translate(recipe, "bridle", rows=100)


def test_momentum_shrinks_weights_as_often_as_said():
    """The weights after 200 steps without a gradient, by SGD and by the decoupled decay."""
    w = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = torch.optim.SGD([w], lr=0.01, momentum=0.9, weight_decay=0.01)
    shrunk = []
    for _ in range(500):
        w.grad = torch.zeros_like(w)
        optimizer.step()
        shrunk.append(w.item())
    found = translate("torch.SGD(momentum=0.9, lr=0.01, weight_decay=0.01)", "keras").warnings
    decay = float(re.search(r"weight_decay=([\d.e-]+) is alike", "; ".join(found))[1])
    rate = (shrunk[-1] / shrunk[99]) ** (1 / 400)
    assert 1 - rate == pytest.approx(0.01 * decay, rel=0.02)


def test_an_elastic_logistic_regression_is_stationary_in_the_converted_objective():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(80, 6))
    y = (X[:, 0] - X[:, 1] + generator.normal(size=80) > 0).astype(float)
    fitted = LogisticRegression(C=0.2, l1_ratio=0.4, solver="saga", tol=1e-12, max_iter=50_000)
    w = fitted.fit(X, y).coef_[0]
    line = translate("sklearn.LogisticRegression(C=0.2, l1_ratio=0.4)", "bridle", rows=80).line
    l1, l2 = (float(each) for each in re.findall(r"=([\d.e-]+)", line))
    slope = X.T @ (fitted.predict_proba(X)[:, 1] - y) / 80 + 2 * l2 * w
    used = w != 0
    assert 0 < used.sum() < 6
    np.testing.assert_allclose(slope[used], -l1 * np.sign(w[used]), rtol=1e-6)
    assert (np.abs(slope[~used]) <= l1).all()
