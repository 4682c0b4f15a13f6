"""Recipes: the line in the other framework, its warnings, and what is refused."""

import json
import re

import pytest
import torch

from bridle import UsageError
from bridle.dialects import translate


@pytest.mark.parametrize(
    ("recipe", "to", "line", "said"),
    [
        (
            "torch.AdamW(weight_decay=0.1, lr=1e-3)",
            "keras",
            "keras.optimizers.AdamW(learning_rate=0.001, weight_decay=0.1)",
            ["also acts on biases and the parameters of norm", "exclude_from_weight_decay"],
        ),
        (
            "torch.optim.Adam(model.parameters(), 1e-3, weight_decay=0.5, betas=(0.8, 0.9))",
            "keras",
            "keras.optimizers.Adam(learning_rate=0.001, weight_decay=0.49975012493753124)",
            ["tune it again", "(decoupled)", "betas=(0.8, 0.9) is not translated"],
        ),
        (
            "torch.Adam(weight_decay=0.1, decoupled_weight_decay=True)",
            "torch",
            "torch.optim.AdamW(params, weight_decay=0.1)",
            ["biases"],
        ),
        (
            "torch.AdamW(lr=0.1)",
            "bridle",
            "bridle.L2(strength=0.01001001001001001)",
            ["no weight_decay; 0.01 is the default of PyTorch", "does not act on biases"],
        ),
        ("torch.nn.Dropout(0.3)", "keras", "keras.layers.Dropout(rate=0.3)", ["inactive on a f"]),
        ("tf.keras.layers.Dropout(0.3)", "torch", "torch.nn.Dropout(p=0.3)", ["active on a fresh"]),
        ("bridle.Dropout(keep_prob=0.9)", "torch", "torch.nn.Dropout(p=0.1)", ["model.eval()"]),
        (
            "bridle.Dropout(drop_prob=0.2, scaling='classic')",
            "torch",
            "torch.nn.Dropout(p=0.2)",
            ["multiplies by keep at prediction", "multiplies what it keeps by 1 / keep"],
        ),
        (
            "torch.Dropout2d(0.1)",
            "keras",
            "keras.layers.SpatialDropout2D(rate=0.1)",
            ["was not measured"],
        ),
        (
            "sklearn.MLPClassifier(alpha=0.5)",
            "torch",
            "torch.optim.Adam(params, weight_decay=0.005)",
            ["also acts on biases", "rescales"],
        ),
        (
            "sklearn.MLPClassifier(alpha=0.5, solver='sgd')",
            "torch",
            "torch.optim.SGD(params, weight_decay=0.005)",
            ["also acts on biases"],
        ),
        ("sklearn.Ridge(2.0)", "keras.L2", "keras.regularizers.L2(l2=0.02)", ["contain the pen"]),
        ("sklearn.Ridge(2.0)", "torch.SGD", "torch.optim.SGD(params, weight_decay=0.04)", []),
        (
            "keras.L1L2(l1=0.25, l2=0.125)",
            "sklearn",
            "sklearn.linear_model.ElasticNet(alpha=0.25, l1_ratio=0.5)",
            [],
        ),
        ("keras.regularizers.L1(0.5)", "bridle", "bridle.L1(strength=0.5)", []),
        ("bridle.L1(0.5)", "keras", "keras.regularizers.L1(l1=0.5)", ["exactly 0", "loss"]),
        ("keras.MaxNorm(3)", "bridle", "bridle.MaxNorm(bound=3.0)", ["are set with dim"]),
        (
            "torch.SGD(lr=0.1, weight_decay=5e-4)",
            "sklearn.Ridge",
            "sklearn.linear_model.Ridge(alpha=0.025)",
            ["has no learning rate; set 0.1", "does not act on biases"],
        ),
        (  # one step takes the same multiple of the weight
            "torch.SGD(lr=0.1, weight_decay=1e-4)",
            "keras",
            "keras.optimizers.SGD(learning_rate=0.1, weight_decay=0.0001)",
            ["(decoupled)"],
        ),
        ("torch.ASGD(lambd=1e-3)", "torch", "torch.optim.ASGD(params, lambd=0.001)", ["lambd"]),
    ],
)
def test_translation(recipe, to, line, said):
    found = translate(recipe, to, rows=100)
    assert found.line == line
    for each in said:
        assert any(each in warning for warning in found.warnings), found.warnings
    assert len(set(found.warnings)) == len(found.warnings)
    assert str(found).splitlines()[0] == line
    assert json.loads(json.dumps(found.to_dict()))["line"] == line


@pytest.mark.parametrize(
    ("recipe", "to", "message"),
    [
        ("torch.AdamW", "keras", "is no call"),
        ("", "keras", "is no call"),
        ("(" * 500, "keras", "is no call"),
        (None, "keras", "the recipe is None"),
        ("AdamW(weight_decay=0.1)", "keras", "names no framework"),
        ("AdamW(weight_decay=0.1)", "keras", "'AdamW' is a setting of keras, .*torch"),
        (
            "nn.Dropout(0.3)",
            "keras",
            "no framework 'nn' .in .*'Dropout' is a setting of .*torch",
        ),
        ("f().AdamW(weight_decay=0.1)", "keras", "names no framework"),
        ("torhc.AdamW(weight_decay=0.1)", "keras", "did you mean 'torch'"),
        ("torch.AdmaW(weight_decay=0.1)", "keras", "no setting 'AdmaW'; did you mean 'AdamW'"),
        ("torch.AdamW(wd=0.1)", "keras", "no argument 'wd'.*its arguments: params, lr"),
        ("torch.AdamW(weight_decay=x)", "keras", "weight_decay is 'x' .* a recipe is not eval"),
        ("torch.AdamW(weight_decay=exit())", "keras", "is 'exit..' in the recipe"),
        ("torch.AdamW(lr=1e-3*10)", "keras", "lr is '0.001 . 10' in the recipe"),
        ("torch.AdamW(0.1)", "keras", "params is 0.1.*name the others: weight_decay"),
        ("torch.AdamW(**given)", "keras", "has a . argument"),
        ("torch.Dropout(*given)", "keras", "has a . argument"),
        ("torch.Dropout(0.1, p=0.1)", "keras", "gives 'p' twice"),
        ("torch.Dropout(0.1, False, 3)", "keras", "takes 2 arguments by position"),
        ("torch.Dropout(p=1.5)", "keras", "p of 'torch.Dropout' is 1.5"),
        ("torch.Dropout(p='a')", "keras", "p of 'torch.Dropout' is 'a'"),
        ("torch.SGD(weight_decay=-1)", "keras", "weight_decay of 'torch.SGD' is -1"),
        ("torch.AdamW(weight_decay=0.1)", "kreas", "did you mean 'keras'"),
        ("torch.AdamW(weight_decay=0.1)", "keras.Adma", "no setting 'Adma'; did you mean"),
        ("torch.AdamW(weight_decay=0.1)", "keras.Dropout", "'torch.AdamW' is no dropout"),
        ("torch.Dropout(0.1)", "keras.SGD", "'torch.Dropout' cannot be converted"),
        ("torch.SGD(weight_decay=0.1)", "keras.MaxNorm", "bounds another norm"),
        ("torch.Dropout(0.1)", "sklearn", "'sklearn' has nothing that can express .*; it has: MLP"),
        ("keras.L1(0.1)", "torch", "nothing that can express 'keras.L1'"),
        ("keras.OrthogonalRegularizer(0.1)", "bridle", "cannot be converted: its penalty is nei"),
        ("sklearn.Ridge(1.0)", "keras", "needs rows"),
        ("keras.Dropout(seed=1)", "torch", "has no rate; add rate="),
        ("keras.MaxNorm(-1)", "bridle", "max_value is -1"),
    ],
)
def test_refused(recipe, to, message):
    with pytest.raises(UsageError, match=message) as caught:
        translate(recipe, to)
    assert "\n" not in str(caught.value)


def test_the_line_moves_the_weights_alike():
    """A step of torch's AdamW, and one of torch's SGD with the L2 that the line says."""
    w = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    w.grad = torch.zeros_like(w)
    torch.optim.AdamW([w], lr=0.5, weight_decay=0.25).step()
    line = translate("torch.AdamW(weight_decay=0.25, lr=0.5)", "bridle").line
    strength = float(re.search(r"strength=(.*)\)", line)[1])
    assert torch.allclose(w, torch.tensor([1.0, -2.0]).double() / (1 + 0.5 * strength), rtol=1e-14)


def test_command(bridle):
    ran = bridle("convert", "torch.AdamW(weight_decay=0.1, lr=1e-3)", "--to", "keras")
    assert ran.out == "keras.optimizers.AdamW(learning_rate=0.001, weight_decay=0.1)\n"
    assert ran.err.startswith("warning: keras.AdamW also acts on biases")
    ran = bridle("convert", "sklearn.Ridge(2.0)", "--rows", "100", "--json")
    found = json.loads(ran.out)
    assert (found["line"], found["values"]) == ("bridle.L2(strength=0.04)", {"strength": 0.04})
    assert found["versions"]["sklearn"].count(".") == 2
    assert "torch " in bridle("convert").out
    assert "AdamW" in json.loads(bridle("convert", "--json").out)["torch"]
    ran = bridle("convert", "torch.AdamW(wd=1)", "--to", "keras")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("bridle: torch.optim.AdamW has no argument 'wd'")
