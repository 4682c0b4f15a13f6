"""One contract suite for every noise: a new one is tested by one more row in the table."""

import copy
import math
import pickle
from dataclasses import dataclass, field

import pytest
import torch
from scipy.stats import binom

from bridle import (
    AlphaDropout,
    ConcreteDropout,
    DropConnect,
    Dropout,
    DropPath,
    FeatureAlphaDropout,
    GaussianDropout,
    LockedDropout,
    SpatialDropout,
    UsageError,
    WeightDrop,
    address_of,
)
from bridle.noise import Noise


@dataclass(frozen=True)
class Row:
    """What the contract suite has to know of a noise."""

    kind: type
    scaled: bool = True  # inverted or classic
    draws: tuple[int, ...] = (0, 1, 2)  # the axes of [rows, a, b] that have draws of their own
    options: dict = field(default_factory=dict)
    learned: bool = False
    weights: bool = False

    def __call__(self, **given):
        return self.kind(**given, **self.options)


NOISES = {
    "Dropout": Row(Dropout),
    "DropConnect": Row(DropConnect, weights=True),
    "WeightDrop": Row(WeightDrop, weights=True),
    "SpatialDropout": Row(SpatialDropout, draws=(0, 1)),
    "LockedDropout": Row(LockedDropout, draws=(0, 2), options={"batch_first": True}),
    "DropPath": Row(DropPath, draws=(0,)),
    "GaussianDropout": Row(GaussianDropout, scaled=False),
    "AlphaDropout": Row(AlphaDropout, scaled=False),
    "FeatureAlphaDropout": Row(FeatureAlphaDropout, scaled=False, draws=(0, 1)),
    "ConcreteDropout": Row(ConcreteDropout, scaled=False, learned=True),
}
SCALED = [name for name, row in NOISES.items() if row.scaled]
CASES = [(name, scaling) for name in SCALED for scaling in ("inverted", "classic")]
FIXED = [name for name, row in NOISES.items() if not row.learned]
ON_UNITS = [name for name, row in NOISES.items() if not row.weights]


@pytest.mark.parametrize(("name", "scaling"), CASES)
def test_it_is_a_noise(name, scaling):
    noise = NOISES[name](keep_prob=0.5, scaling=scaling)
    assert isinstance(noise, Noise)
    assert repr(noise).startswith(f"{name}(keep_prob=0.5, scaling='{scaling}'")
    assert repr(eval(repr(noise))) == repr(noise)


@pytest.mark.parametrize("name", NOISES)
def test_every_noise_keeps_the_protocol(name):
    noise = NOISES[name](keep_prob=0.5)
    assert isinstance(noise, Noise)
    assert repr(noise).startswith(f"{name}(keep_prob=0.5")
    assert repr(eval(repr(noise))) == repr(noise)
    assert noise.scaling == "inverted"
    assert noise.rescaled("inverted").scaling == "inverted"


@pytest.mark.parametrize("name", NOISES)
def test_inverted_prediction_is_the_very_same_tensor(name):
    x = torch.randn(3, 4, 5)
    assert NOISES[name](keep_prob=0.3).predict(x) is x


@pytest.mark.parametrize("name", SCALED)
def test_classic_prediction_multiplies_by_p(name):
    x = torch.randn(3, 4, dtype=torch.float64)
    noise = NOISES[name](keep_prob=0.3, scaling="classic")
    assert torch.equal(noise.predict(x), x * (round(0.3 * 65536) / 65536))


@pytest.mark.parametrize("name", [name for name in NOISES if name not in SCALED])
def test_without_a_classic_form(name):
    with pytest.raises(UsageError, match="no classic form"):
        NOISES[name](keep_prob=0.3).rescaled("classic")
    with pytest.raises(TypeError):
        NOISES[name](keep_prob=0.3, scaling="classic")


@pytest.mark.parametrize(("name", "scaling"), CASES)
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_training_has_the_mean_of_prediction(name, scaling, keep):
    """The sum over all draws is binomial: its exact bound, not a tolerance."""
    noise = NOISES[name](keep_prob=keep, scaling=scaling)
    ones = torch.ones(64, 32, 8, dtype=torch.float64)
    steps = 20
    count = math.prod(ones.shape[axis] for axis in NOISES[name].draws)
    each = ones.numel() // count
    total = sum(noise.train(ones, address_of(1, step=step)).sum().item() for step in range(steps))
    drawn = noise.drawn_keep_prob
    unit = each / drawn if scaling == "inverted" else each
    low, high = binom.ppf([1e-6, 1 - 1e-6], count * steps, drawn) * unit
    assert low <= total <= high
    assert low <= noise.predict(ones).sum().item() * steps <= high


@pytest.mark.parametrize(("name", "scaling"), CASES)
def test_values_in_training(name, scaling):
    noise = NOISES[name](keep_prob=0.25, scaling=scaling)
    out = noise.train(torch.ones(50, 10, 5), address_of(3))
    assert set(out.unique().tolist()) == {0.0, 4.0 if scaling == "inverted" else 1.0}


@pytest.mark.parametrize("name", NOISES)
def test_one_draw_along_the_axes_that_share_it(name):
    """And draws of their own along the others: no two slices are the same."""
    noise = NOISES[name](keep_prob=0.5)
    out = noise.train(torch.ones(8, 9, 10), address_of(4))
    for axis in range(3):
        slices = out.unbind(axis)
        same = [torch.equal(slices[0], other) for other in slices[1:]]
        assert all(same) if axis not in NOISES[name].draws else not all(same)


@pytest.mark.parametrize("name", NOISES)
def test_keep_and_drop_are_two_words_for_one(name):
    x, address = torch.randn(5, 6, 7), address_of(1)
    keep, drop = NOISES[name](keep_prob=0.75), NOISES[name](drop_prob=0.25)
    assert torch.equal(keep.train(x, address), drop.train(x, address))
    assert drop.keep_prob == pytest.approx(0.75, abs=1e-7 if NOISES[name].learned else 0)


@pytest.mark.parametrize("name", FIXED)
def test_keeping_all_is_the_identity(name):
    x = torch.randn(3, 4, 5)
    assert NOISES[name](keep_prob=1.0).train(x, address_of(0)) is x
    assert NOISES[name](drop_prob=0.0).train(x, address_of(0)) is x


@pytest.mark.parametrize("name", NOISES)
def test_noise_is_a_function_of_its_address_alone(name):
    x, noise = torch.randn(4, 6, 50), NOISES[name](keep_prob=0.5)
    before = torch.get_rng_state()
    first = noise.train(x, address_of(1, stream=2, step=3))
    torch.manual_seed(99)
    assert torch.equal(first, noise.train(x, address_of(1, stream=2, step=3)))
    torch.set_rng_state(before)
    noise.train(x, address_of(1))
    assert torch.equal(torch.get_rng_state(), before)
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert not torch.equal(first, noise.train(x, address_of(*other)))


@pytest.mark.parametrize("name", ON_UNITS)
def test_a_batch_in_parts_has_the_noise_of_the_whole(name):
    x, address, noise = torch.randn(12, 6, 7), address_of(1), NOISES[name](keep_prob=0.5)
    parts = zip(x.split(5), torch.arange(12).split(5), strict=True)
    split = [noise.train(part, address, rows=rows) for part, rows in parts]
    tolerance = 1e-6 if NOISES[name].learned else 0  # a relaxed mask is not of zeros and ones
    assert torch.allclose(torch.cat(split), noise.train(x, address), rtol=tolerance, atol=0)
    assert noise.rows_of(x) == 12


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_every_dtype_has_the_same_draws(name, dtype):
    """Rounded once: in double the same draws, and in half its rounding of single precision's."""
    x, noise = torch.randn(4, 6, 7).to(dtype), NOISES[name](keep_prob=0.7)
    single, other = (noise.train(value, address_of(1)) for value in (x.float(), x))
    assert other.dtype == dtype
    tolerance = 1e-6 if dtype == torch.float64 else 2 * torch.finfo(dtype).eps
    assert torch.allclose(single.double(), other.double(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", NOISES)
def test_gradients_are_those_of_the_noise(name):
    noise = NOISES[name](keep_prob=0.6)
    x = torch.randn(3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: noise.train(x, address_of(2)), x)
    assert torch.autograd.gradgradcheck(lambda x: noise.train(x, address_of(2)).square(), x)


@pytest.mark.parametrize("name", NOISES)
def test_copies_draw_the_same(name):
    x, noise = torch.randn(4, 6, 7), NOISES[name](keep_prob=0.5)
    for other in (copy.deepcopy(noise), pickle.loads(pickle.dumps(noise))):
        assert torch.equal(other.train(x, address_of(1)), noise.train(x, address_of(1)))
        assert repr(other) == repr(noise)


@pytest.mark.parametrize("name", FIXED)
def test_a_compiled_noise_is_one_graph_with_the_same_draws(name):
    noise, address = NOISES[name](keep_prob=0.5), address_of(1)
    x = torch.randn(4, 6, 7)
    compiled = torch.compile(lambda x: noise.train(x, address), backend="eager", fullgraph=True)
    assert torch.equal(compiled(x), noise.train(x, address))
    torch._dynamo.reset()


BAD = [
    ({}, "keep_prob=… or drop_prob=…"),
    ({"keep_prob": 0.5, "drop_prob": 0.5}, "exactly one"),
    ({"keep_prob": 0.0}, "keep_prob is 0.0"),
    ({"keep_prob": 1.01}, "keep_prob is 1.01"),
    ({"keep_prob": float("nan")}, "keep_prob is nan"),
    ({"drop_prob": 1.0}, "drop_prob is 1.0"),
    ({"drop_prob": -0.5}, "drop_prob is -0.5"),
    ({"keep_prob": torch.tensor([0.5, 2.0])}, "keep_prob is 2.0"),
    ({"keep_prob": torch.tensor(0.5)}, r"shape \[\]"),
]


@pytest.mark.parametrize(("options", "part"), BAD)
@pytest.mark.parametrize("name", NOISES)
def test_bad_probabilities_are_named(name, options, part):
    with pytest.raises(UsageError, match=part):
        NOISES[name](**options)


@pytest.mark.parametrize("name", SCALED)
def test_a_bad_scaling_is_named(name):
    with pytest.raises(UsageError, match="'both'"):
        NOISES[name](keep_prob=0.5, scaling="both")


@pytest.mark.parametrize("name", NOISES)
def test_a_probability_without_its_name_is_refused_with_both_names(name):
    both = r"does not say .*give drop_prob=0\.5 or keep_prob=0\.5"
    for given, options in (((0.5,), {}), ((), {"p": 0.5})):
        with pytest.raises(UsageError, match=rf"^{name}\((p=)?0\.5\) {both}"):
            NOISES[name].kind(*given, **options)


@pytest.mark.parametrize("name", NOISES)
def test_a_subclass_may_take_the_probability_as_it_likes(name):
    kind = NOISES[name].kind

    class Positional(kind):
        def __init__(self, p):
            super().__init__(keep_prob=p, **NOISES[name].options)

    class Titled(kind):
        def __init__(self, title, *, keep_prob):
            super().__init__(keep_prob=keep_prob, **NOISES[name].options)
            self.title = title

    class Named(kind):
        pass

    for mine in (Positional(0.5), Positional(p=0.5)):
        assert mine.keep_prob == 0.5
        assert copy.copy(mine).keep_prob == copy.deepcopy(mine).keep_prob == 0.5
    assert Titled("first", keep_prob=0.5).keep_prob == 0.5
    with pytest.raises(UsageError, match=r"Named\(0\.5\) does not say"):
        Named(0.5)


@pytest.mark.parametrize("name", SCALED)
def test_resolution_is_stated_and_unbiased(name):
    noise = NOISES[name](keep_prob=1e-9)
    assert noise.drawn_keep_prob == 1 / 65536
    out = noise.train(torch.ones(600_000, 1, 2), address_of(1))
    assert set(out.unique().tolist()) == {0.0, 65536.0}


@pytest.mark.parametrize("name", FIXED)
def test_a_probability_per_member_is_each_member_alone(name):
    keeps = torch.tensor([0.2, 1.0, 0.7])
    noise = NOISES[name](keep_prob=keeps)
    x = torch.randn(3, 8, 9, 4)
    together = noise.train(x, address_of([4, 5, 6], step=2))
    for member, keep in enumerate(keeps.tolist()):
        alone = NOISES[name](keep_prob=keep)
        assert torch.equal(together[member], alone.train(x[member], address_of(4 + member, step=2)))
    taken = noise.take(torch.tensor([2, 0]))
    assert taken.keep_prob.tolist() == noise.keep_prob[[2, 0]].tolist()


@pytest.mark.parametrize("name", SCALED)
def test_a_classic_probability_per_member(name):
    keeps = torch.tensor([0.2, 1.0, 0.7])
    noise = NOISES[name](keep_prob=keeps, scaling="classic")
    x = torch.randn(3, 8, 9)
    predicted = noise.predict(x)
    for member, keep in enumerate(keeps.tolist()):
        alone = NOISES[name](keep_prob=keep, scaling="classic")
        assert torch.allclose(predicted[member], alone.predict(x[member]))
    assert noise.take(torch.tensor([2, 0])).scaling == "classic"


@pytest.mark.parametrize("name", SCALED)
def test_rescaled_draws_the_same_mask(name):
    inverted = NOISES[name](keep_prob=0.5)
    classic = inverted.rescaled("classic")
    x, address = torch.randn(6, 7, 8), address_of(1)
    assert torch.equal(inverted.train(x, address), 2 * classic.train(x, address))


def test_weights_have_one_mask_for_the_batch():
    """DropConnect's mask belongs to the weights: no row of a batch appears in it."""
    weight = torch.ones(30, 20)
    noise = DropConnect(keep_prob=0.5)
    first, second = (noise.train(weight, address_of(1, step=step)) for step in (0, 1))
    assert not torch.equal(first, second)
    assert torch.equal(first, noise.train(weight, address_of(1, step=0)))


@pytest.mark.parametrize(
    "noise", [Dropout(keep_prob=0.5, shared=True), DropConnect(keep_prob=0.5, per_example=True)]
)
def test_options_stay_with_the_noise(noise):
    assert repr(eval(repr(noise))) == repr(noise)
    assert noise.rescaled("classic").options() == noise.options()
    many = type(noise)(keep_prob=torch.tensor([0.5, 0.9]), **noise.options())
    assert many.take(torch.tensor([1])).options() == noise.options()


def test_a_shared_mask_is_one_for_the_batch():
    out = Dropout(keep_prob=0.5, shared=True).train(torch.ones(10, 40), address_of(1))
    assert (out == out[0]).all()
    assert torch.equal(out[:1], Dropout(keep_prob=0.5).train(torch.ones(1, 40), address_of(1)))


def test_drop_connect_with_one_mask_or_one_for_each_example():
    x, weight = torch.eye(8), torch.ones(8, 30)
    shared = DropConnect(keep_prob=0.5)
    address = address_of(5)
    assert torch.equal(shared.linear(x, weight, address), shared.train(weight, address))
    ones = torch.ones(3, 8)
    each = DropConnect(keep_prob=0.5, per_example=True).linear(ones, weight, address)
    assert torch.equal(each[0], shared.train(weight, address).sum(0))
    assert not torch.equal(each[0], each[1])
