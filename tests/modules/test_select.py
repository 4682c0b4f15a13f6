"""Selectors: globs, types, predicates, the thing itself, and tuples of these."""

import pytest
from torch import nn

from bridle import UsageError
from bridle.modules.select import kind_of, select_modules, select_parameters, select_places


class Tied(nn.Module):
    """An embedding that the output layer uses too."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(6, 4)
        self.body = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.ReLU())
        self.head = nn.Linear(4, 6)
        self.head.weight = self.embedding.weight


@pytest.fixture
def model():
    return nn.Sequential(
        nn.Linear(4, 8),
        nn.BatchNorm1d(8),
        nn.Sequential(nn.Linear(8, 8), nn.ReLU()),
        nn.Linear(8, 2),
    )


WEIGHTS = ["0.weight", "2.0.weight", "3.weight"]
BY_MODEL = {
    "everything": ("*", WEIGHTS),
    "a module's glob": ("0", ["0.weight"]),
    "a glob crosses dots": ("2*", ["2.0.weight"]),
    "a parameter's name": ("2.0.weight", ["2.0.weight"]),
    "one character": ("?.weight", ["0.weight", "3.weight"]),
    "a set of characters": ("[!0].weight", ["3.weight"]),
    "biases alone": ("*.bias", ["0.bias", "1.bias", "2.0.bias", "3.bias"]),
    "one bias": ("3.bias", ["3.bias"]),
    "a norm alone": ("1", ["1.weight", "1.bias"]),
    "a type": (nn.Linear, WEIGHTS),
    "a type of containers": (nn.Sequential, WEIGHTS),
    "a norm's type": (nn.BatchNorm1d, ["1.weight", "1.bias"]),
    "the base of types": (nn.Module, WEIGHTS),
    "a predicate on names": (lambda name, module: name.startswith("2."), ["2.0.weight"]),
    "a predicate on modules": (
        lambda name, module: getattr(module, "out_features", 0) == 2,
        ["3.weight"],
    ),
    "a tuple": (("0", "3.weight"), ["0.weight", "3.weight"]),
    "a tuple in any order": (("3.weight", "0"), ["0.weight", "3.weight"]),
    "a mixed tuple": ((nn.BatchNorm1d, "3"), ["3.weight"]),
    "a nested tuple": ((("0", nn.ReLU), "9*"), ["0.weight"]),
    "a tuple with a miss": (("0", "nothing"), ["0.weight"]),
}


@pytest.mark.parametrize("name", BY_MODEL)
def test_a_selector_means_these_parameters(name, model):
    selector, expected = BY_MODEL[name]
    found = select_parameters(model, selector)
    assert list(found) == expected
    named = dict(model.named_parameters())
    assert all(found[each] is named[each] for each in expected)


def test_a_module_means_its_weights(model):
    assert list(select_parameters(model, model[2])) == ["2.0.weight"]
    assert list(select_parameters(model, model[1])) == ["1.weight", "1.bias"]
    assert list(select_parameters(model, model)) == WEIGHTS


def test_a_parameter_means_itself_a_bias_too(model):
    assert list(select_parameters(model, model[3].weight)) == ["3.weight"]
    assert list(select_parameters(model, model[3].bias)) == ["3.bias"]
    assert list(select_parameters(model, (model[0].bias, model[3].bias))) == ["0.bias", "3.bias"]


def test_a_lone_layer_has_names_without_dots():
    layer = nn.Linear(3, 2)
    assert list(select_parameters(layer, "*")) == ["weight"]
    assert list(select_parameters(layer, nn.Linear)) == ["weight"]
    assert list(select_parameters(layer, "bias")) == ["bias"]
    (place,) = select_places(layer, "weight")
    assert (place.path, place.module, place.name) == ("", layer, "weight")


def test_a_name_that_begins_another_is_not_that():
    model = nn.ModuleDict({"fc": nn.Linear(2, 2), "fc2": nn.Linear(2, 2)})
    assert list(select_parameters(model, "fc")) == ["fc.weight"]
    assert list(select_parameters(model, "fc*")) == ["fc.weight", "fc2.weight"]


def test_globs_mind_the_case():
    model = nn.ModuleDict({"Head": nn.Linear(2, 2)})
    with pytest.raises(UsageError, match=r"did you mean 'Head\.weight'"):
        select_parameters(model, "head.weight")


# ------------------------------------------------------------------ weights, biases, norms

KINDS = {
    "linear": (nn.Linear(3, 2), {"weight": "weight", "bias": "bias"}),
    "convolution": (nn.Conv2d(1, 2, 3), {"weight": "weight", "bias": "bias"}),
    "embedding": (nn.Embedding(3, 2), {"weight": "weight"}),
    "batch norm": (nn.BatchNorm2d(3), {"weight": "norm", "bias": "norm"}),
    "layer norm of an image": (nn.LayerNorm([3, 4]), {"weight": "norm", "bias": "norm"}),
    "group norm": (nn.GroupNorm(1, 3), {"weight": "norm", "bias": "norm"}),
    "rms norm": (nn.RMSNorm(3), {"weight": "norm"}),
    "slope": (nn.PReLU(), {"weight": "bias"}),
    "attention": (
        nn.MultiheadAttention(4, 2, add_bias_kv=True),
        {
            "in_proj_weight": "weight",
            "in_proj_bias": "bias",
            "bias_k": "bias",
            "bias_v": "bias",
        },
    ),
    "recurrent": (
        nn.GRU(2, 3),
        {
            "weight_ih_l0": "weight",
            "weight_hh_l0": "weight",
            "bias_ih_l0": "bias",
            "bias_hh_l0": "bias",
        },
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_parameter_is_a_weight_a_bias_or_a_norms(name):
    module, expected = KINDS[name]
    found = {own: kind_of(own, p, module) for own, p in module.named_parameters(recurse=False)}
    assert found == expected


# ------------------------------------------------------------------ tied weights


@pytest.mark.parametrize("selector", ["*", "embedding", "head", "head.weight", nn.Embedding])
def test_a_tied_weight_stands_under_its_first_name(selector):
    found = select_parameters(Tied(), selector)
    assert [name for name in found if "body" not in name] == ["embedding.weight"]


def test_a_tied_weight_has_several_places():
    assert [place.path for place in select_places(Tied(), "*")] == ["embedding", "body.0", "head"]
    assert [place.path for place in select_places(Tied(), "head")] == ["head"]


def test_a_tied_weight_itself_is_found_in_all_its_places():
    model = Tied()
    assert [p.path for p in select_places(model, model.head.weight)] == ["embedding", "head"]


@pytest.mark.parametrize("selector", ["*", "first", "second", "second.weight", nn.Linear])
def test_a_shared_module_is_found_by_each_of_its_names(selector):
    layer = nn.Linear(2, 2)
    model = nn.ModuleDict({"first": layer, "second": layer})
    assert list(select_parameters(model, selector)) == ["first.weight"]
    assert len(select_places(model, selector)) == 1
    if selector != "second.weight":
        assert list(select_modules(model, selector)) == ["first"]


def test_a_shared_module_is_inside_each_that_holds_it():
    shared = nn.Linear(2, 2)
    model = nn.ModuleDict({"a": nn.Sequential(shared), "b": nn.Sequential(shared, nn.Linear(2, 2))})
    assert list(select_parameters(model, "b")) == ["a.0.weight", "b.1.weight"]
    assert list(select_modules(model, "b.*")) == ["a.0", "b.1"]


# ------------------------------------------------------------------ modules


def test_modules_by_glob_type_predicate_and_itself(model):
    assert list(select_modules(model, "2.*")) == ["2.0", "2.1"]
    assert list(select_modules(model, nn.ReLU)) == ["2.1"]
    assert list(select_modules(model, (nn.ReLU, "0"))) == ["0", "2.1"]
    assert list(select_modules(model, lambda name, module: name == "3")) == ["3"]
    assert select_modules(model, model[2]) == {"2": model[2]}


def test_a_glob_does_not_match_the_root_and_a_type_does(model):
    assert "" not in select_modules(model, "*")
    assert list(select_modules(model, nn.Sequential)) == ["", "2"]


# ------------------------------------------------------------------ errors

MISSES = {
    "a near name": ("0.wieght", r"no parameter matches '0\.wieght'; did you mean '0\.weight'"),
    "nothing near": ("zzz", r"no parameter matches 'zzz'; there are: '0\.weight', '0\.bias'"),
    "a near type": (nn.Bilinear, r"no parameter matches Bilinear; did you mean 'Linear'"),
    "a type that is far": (nn.Embedding, "no parameter matches Embedding; there are: 'Sequential'"),
    "a predicate": (lambda name, module: False, r"no parameter matches <function .*; there are:"),
    "a module without any": (nn.ReLU, "no parameter matches ReLU"),
    "a tuple": (("zzz", nn.Embedding), r"no parameter matches \('zzz', .*; there are:"),
    "an empty tuple": ((), r"no parameter matches \(\)"),
    "another model's module": (nn.Linear(2, 2), r"no parameter matches Linear\(in_features=2"),
    "another model's parameter": (
        nn.Linear(2, 2).weight,
        "no parameter matches Parameter containing",
    ),
    "a number": (3, r"3 is not a selector; give a glob on names, a module type, a predicate"),
    "a list": (["0"], r"\['0'\] is not a selector"),
    "a number in a tuple": (("zzz", 3), "3 is not a selector"),
}


@pytest.mark.parametrize("name", MISSES)
def test_a_miss_is_an_error_of_one_line(name, model):
    selector, message = MISSES[name]
    with pytest.raises(UsageError, match=message) as caught:
        select_parameters(model, selector)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("2.O", r"no module matches '2\.O'; did you mean '2\.1' or '2\.0'"),
        (nn.Bilinear, "no module matches Bilinear; did you mean 'Linear'"),
        (3, "3 is not a selector"),
    ],
)
def test_a_miss_among_modules_names_modules(selector, message, model):
    with pytest.raises(UsageError, match=message):
        select_modules(model, selector)


def test_a_model_without_parameters_has_none():
    with pytest.raises(UsageError, match=r"no parameter matches '\*'; there are none"):
        select_parameters(nn.ReLU(), "*")
