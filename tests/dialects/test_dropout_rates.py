"""Dropout probabilities: exact round trips, what is lost, and the masks of torch and bridle."""

import itertools
import warnings

import pytest
import torch

import bridle
from bridle import RegularizationWarning, UsageError, convert_dropout
from bridle.dialects import DropoutSetting, frameworks, read_framework
from bridle.dialects.dropout import convert_probability, lost_in_dropout

DROPOUTS = [
    (f"{framework.name}.{each.name}", each)
    for framework in frameworks()
    for each in framework.settings
    if isinstance(each, DropoutSetting)
]


def _setting(**changes):
    fields = {"probability": "drop", "scaling": "inverted", **changes}
    lines = "".join(f'{key} = "{value}"\n' for key, value in fields.items())
    text = (
        'name = "toy"\ntitle = "T"\npackage = "t"\nversion = "1"\nmeasured = 2026-11-30\n'
        'by = "reading"\nsurprise = "s"\nsurprise_zh = "s"\n[[dropout]]\nname = "Dropout"\n'
        f'call = "toy.Dropout(p)"\nargument = "p"\nevidence = "read"\n{lines}'
    )
    return read_framework("toy", text).settings[0]


def test_every_pair_there_and_back_is_exact():
    """Of any two that drop the same; the conversion depends on nothing but keep or drop."""
    kinds = {(each.noise, each.probability): (name, each) for name, each in DROPOUTS}
    both = [_setting(probability="keep"), _setting(probability="drop")]
    kinds |= {("bernoulli", each.probability): ("toy", each) for each in both}
    for (one, a), (two, b) in itertools.product(kinds.values(), repeat=2):
        if a.noise != b.noise:
            continue
        for rate in (0.0, 0.1, 0.25, 0.3, 1 / 3, 0.5, 0.9, 0.999):
            there = convert_probability(rate, one, a, two, b)
            assert there == (rate if a.probability == b.probability else pytest.approx(1 - rate))
            assert convert_probability(there, two, b, one, a) == pytest.approx(rate, rel=1e-15)


def test_a_decimal_stays_a_decimal():
    keep, drop = _setting(probability="keep"), _setting()
    assert convert_probability(0.9, "a", keep, "b", drop) == 0.1
    assert convert_probability(0.1, "a", keep, "b", drop) == 0.9


def test_torch_and_bridle_drop_the_same_share():
    """The independent formula: P(0) is the rate, and what stays is multiplied by 1 / (1 - rate)."""
    rate = convert_dropout(0.3, "torch", "bridle.Dropout")
    x = torch.ones(400, 100)
    mine = bridle.Dropout(drop_prob=rate).train(x, bridle.address_of(seed=0, step=0))
    theirs = torch.nn.functional.dropout(x, convert_dropout(rate, "bridle", "torch"))
    for values in (mine, theirs):
        assert float((values == 0).double().mean()) == pytest.approx(0.3, abs=0.02)
        assert float(values.max()) == pytest.approx(1 / 0.7, rel=1e-4)


def test_what_a_rate_cannot_express_is_said():
    inverted, classic = _setting(), _setting(scaling="classic")
    (said,) = lost_in_dropout(0.5, "a", inverted, "b", classic)
    assert "a multiplies what it keeps by 1 / keep in training, and b does not scale" in said
    (said,) = lost_in_dropout(1.0, "a", inverted, "b", _setting(rate_one="identity"))
    assert "at rate 1 of b nothing is dropped" in said
    with pytest.raises(UsageError, match="'b' refuses to drop everything"):
        convert_probability(1.0, "a", inverted, "b", _setting(rate_one="refused"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert convert_dropout(0.5, "torch", "keras") == 0.5
    names = {each.scaling: name for name, each in DROPOUTS if each.noise == "bernoulli"}
    if "classic" in names:
        with pytest.warns(RegularizationWarning, match="and .* does not scale in training"):
            convert_dropout(0.5, "torch", names["classic"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.5, "torch", "keras"), "p of 'torch.Dropout' is 1.5; it must be a number from 0 to 1"),
        ((True, "torch", "keras"), "is True"),
        (("0.5", "torch", "keras"), "is '0.5'"),
        ((float("nan"), "torch", "keras"), "is nan"),
        ((0.5, "torhc", "keras"), "no framework 'torhc'; did you mean 'torch'"),
        ((0.5, "torch", "sklearn"), "'sklearn', which has no dropout"),
        ((0.5, "torch.Dropuot", "keras"), "'torch.Dropuot', which is no dropout.*'Dropout'"),
        ((0.5, None, "keras"), "the source is None"),
        ((0.5, "torch", "keras.GaussianDropout"), "drops single values and .*Gaussian"),
        ((1, "torch", "bridle"), "'bridle.Dropout' refuses to drop everything"),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(UsageError, match=message) as caught:
        convert_dropout(*arguments)
    assert "\n" not in str(caught.value)
