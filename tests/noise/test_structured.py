"""The kin of dropout, by their mathematics: moments, what shares a draw, and what is learned."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import binom, norm
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import bridle
from bridle.errors import UsageError
from bridle.noise.structured import examples_packed

FAR = norm.isf(1e-6)  # how many standard errors a mean may be off
KEEPS = [0.2, 0.5, 0.9]


# ------------------------------------------------------------------ Gaussian dropout


@pytest.mark.parametrize("keep", KEEPS)
def test_gaussian_dropout_has_mean_one_and_the_variance_of_dropout(keep):
    y = bridle.GaussianDropout(keep_prob=keep).train(
        torch.ones(512, 1024, dtype=torch.float64), bridle.address_of(1)
    )
    variance = (1 - keep) / keep
    assert abs(float(y.mean()) - 1) < FAR * math.sqrt(variance / y.numel())
    assert abs(float(y.var()) / variance - 1) < FAR * math.sqrt(2 / y.numel())


def test_gaussian_dropout_has_the_loss_of_dropout_in_linear_regression():
    """Wager et al. (2013): the ridge form needs no more than mean 1 and that variance."""
    generator = torch.Generator().manual_seed(0)
    X, y, w = (
        torch.randn(size, dtype=torch.float64, generator=generator) for size in ((9, 4), (9,), (4,))
    )
    keep = 0.6
    noise = bridle.GaussianDropout(keep_prob=keep)
    expected = (y - X @ w).square().sum() + (1 - keep) / keep * (X.square().sum(0) * w**2).sum()
    many = noise.train(X.repeat(4000, 1), bridle.address_of(2)) @ w
    draws = (y - many.view(4000, 9)).square().sum(1)
    assert abs(float(draws.mean() - expected)) < 5 * float(draws.std()) / math.sqrt(len(draws))


# ------------------------------------------------------------------ alpha dropout


@pytest.mark.parametrize("name", ["AlphaDropout", "FeatureAlphaDropout"])
@pytest.mark.parametrize("keep", KEEPS)
def test_alpha_dropout_keeps_mean_zero_and_variance_one(name, keep):
    """The first moments of standard normal units, with the standard errors of the draws."""
    x = torch.randn(1024, 512, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = getattr(bridle, name)(keep_prob=keep).train(x, bridle.address_of(3))
    for values, expected in ((y, 0.0), (y.square(), 1.0)):
        error = float(values.std()) / math.sqrt(y.numel())
        assert abs(float(values.mean()) - expected) < FAR * error


def test_a_self_normalising_network_stays_so():
    """Klambauer's reason for it: SELU layers with alpha dropout, and their moments far down."""
    torch.manual_seed(0)
    x = torch.randn(512, 256)
    noise = bridle.AlphaDropout(keep_prob=0.9)
    for layer in range(16):
        weight = torch.randn(256, 256) / 16
        x = noise.train(nn.functional.selu(x @ weight), bridle.address_of(1, stream=layer))
        assert abs(float(x.mean())) < 0.1
        assert abs(float(x.var()) - 1) < 0.2


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("kind", ["AlphaDropout", "FeatureAlphaDropout"])
def test_alpha_dropout_is_torchs_but_for_the_mask(kind, keep):
    """The kept values, the lowest value and the moments are those of torch's module."""
    torch.manual_seed(1)
    x = torch.randn(64, 32, 4, 4)
    theirs = getattr(nn, kind)(p=1 - keep)(x)
    ours = getattr(bridle, kind)(keep_prob=keep).train(x, bridle.address_of(3))
    q, s = keep, -1.7580993408473766
    scale = (q + s * s * q * (1 - q)) ** -0.5
    lowest = scale * s - scale * (1 - q) * s
    dropped = [(y - lowest).abs() < 1e-3 for y in (theirs, ours)]
    both = ~(dropped[0] | dropped[1])
    assert both.float().mean() > 0.5 * keep**2
    assert torch.allclose(theirs[both], ours[both], atol=1e-3)
    draws = x.numel() if kind == "AlphaDropout" else x[..., 0, 0].numel()
    for each in dropped:
        share = float(each.float().mean())
        assert abs(share - (1 - keep)) < FAR * math.sqrt(keep * (1 - keep) / draws) + 1e-3
    slack = FAR * math.sqrt(2 * 4 / draws)
    assert float(theirs.mean()) == pytest.approx(float(ours.mean()), abs=slack)
    assert float(theirs.var()) == pytest.approx(float(ours.var()), abs=2 * slack)


# ------------------------------------------------------------------ channels and time


def test_spatial_dropout_drops_whole_channels_at_the_rate():
    keep = 0.7
    x = torch.randn(64, 32, 5, 6).to(memory_format=torch.channels_last)
    y = bridle.SpatialDropout(keep_prob=keep).train(x, bridle.address_of(1))
    kept = (y != 0).flatten(2)
    assert torch.equal(kept.any(2), kept.all(2))
    low, high = binom.ppf([1e-6, 1 - 1e-6], 64 * 32, keep)
    assert low <= int(kept.any(2).sum()) <= high
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_what_is_dropped_is_zero_even_where_it_was_not_a_number():
    x = torch.full((40, 8, 3), torch.nan)
    for noise in (
        bridle.SpatialDropout(keep_prob=0.5),
        bridle.LockedDropout(keep_prob=0.5, batch_first=True),
        bridle.DropPath(keep_prob=0.5),
    ):
        y = noise.train(x, bridle.address_of(1))
        assert set(y[~y.isnan()].tolist()) == {0.0}


@pytest.mark.parametrize("batch_first", [True, False])
def test_locked_dropout_has_one_mask_for_all_time_steps(batch_first):
    noise = bridle.LockedDropout(keep_prob=0.5, batch_first=batch_first)
    x = torch.ones(7, 5, 40) if batch_first else torch.ones(5, 7, 40)
    y = noise.train(x, bridle.address_of(1))
    y = y if batch_first else y.transpose(0, 1)
    assert (y == y[:, :1]).all()
    units = bridle.Dropout(keep_prob=0.5).train(torch.ones(7, 40), bridle.address_of(1))
    assert torch.equal(y[:, 0], units)


@pytest.mark.parametrize("name", ["LockedDropout", "DropPath", "SpatialDropout"])
def test_packed_sequences_have_the_masks_of_padded_ones(name):
    lengths = torch.tensor([2, 5, 3, 5, 1])
    x = torch.randn(5, 5, 8)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    assert examples_packed(packed)[:5].tolist() == packed.sorted_indices.tolist()
    noise = getattr(bridle, name)(keep_prob=0.5)
    data = noise.train_packed(packed, bridle.address_of(1))
    padded, _ = pad_packed_sequence(packed._replace(data=data), batch_first=True)
    whole = bridle.LockedDropout(keep_prob=0.5, batch_first=True)
    if name == "DropPath":
        whole = noise
    expected = whole.train(x, bridle.address_of(1))
    for row, length in enumerate(lengths):
        assert torch.equal(padded[row, :length], expected[row, :length])


def test_feature_alpha_dropout_of_packed_sequences():
    packed = pack_padded_sequence(torch.zeros(3, 4, 8), torch.tensor([4, 2, 1]), batch_first=True)
    noise = bridle.FeatureAlphaDropout(keep_prob=0.5)
    data = noise.train_packed(packed, bridle.address_of(1))
    expected = noise.train(torch.zeros(3, 8, 4), bridle.address_of(1))[..., 0]
    assert torch.equal(data, expected[examples_packed(packed)])


@pytest.mark.parametrize(
    ("noise", "shape", "message"),
    [
        (bridle.LockedDropout(keep_prob=0.5), (3, 4, 5), "which axis"),
        (bridle.LockedDropout(keep_prob=0.5, batch_first=True), (4, 5), "rows, time and units"),
        (bridle.SpatialDropout(keep_prob=0.5), (4,), r"\[rows, channels"),
        (bridle.FeatureAlphaDropout(keep_prob=0.5), (4,), r"\[rows, channels"),
        (bridle.DropPath(keep_prob=0.5, batch_first=False), (4,), "no axis of rows"),
    ],
)
def test_shapes_that_do_not_fit(noise, shape, message):
    with pytest.raises(UsageError, match=message):
        noise.train(torch.ones(shape), bridle.address_of(1))


# ------------------------------------------------------------------ stochastic depth


def test_a_residual_network_is_its_own_mean_over_all_depths():
    """Linear blocks: the mean over 2ᴸ subnetworks is the network at prediction, exactly."""
    generator = torch.Generator().manual_seed(0)
    blocks = [0.3 * torch.randn(4, 4, dtype=torch.float64, generator=generator) for _ in range(5)]
    x = torch.randn(4, dtype=torch.float64, generator=generator)
    keeps = [bridle.DropPath(keep_prob=0.5).at_depth(at, 5).keep_prob for at in range(1, 6)]
    assert keeps == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5])
    mean, squares = torch.zeros(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    for code in range(32):
        chance, out = 1.0, x
        for bit, (block, keep) in enumerate(zip(blocks, keeps, strict=True)):
            kept = code >> bit & 1
            chance *= keep if kept else 1 - keep
            out = out + kept / keep * (block @ out)
        mean += chance * out
        squares += chance * out**2
    whole = x
    for block in blocks:
        whole = whole + block @ whole
    assert torch.allclose(mean, whole)
    rows = 4000
    drawn = x.expand(rows, -1)
    for stream, (block, keep) in enumerate(zip(blocks, keeps, strict=True)):
        noise = bridle.DropPath(keep_prob=keep)
        drawn = drawn + noise.train(drawn @ block.T, bridle.address_of(1, stream=stream))
    error = (squares - mean**2).sqrt() / math.sqrt(rows)
    assert ((drawn.mean(0) - whole).abs() < FAR * error + 1e-4).all()  # 1e-4: of 16-bit lanes


def test_a_dropped_example_passes_by_untouched():
    x, branch = torch.randn(50, 3, 4), torch.randn(50, 3, 4)
    y = x + bridle.DropPath(keep_prob=0.5).train(branch, bridle.address_of(1))
    passed = (y == x).flatten(1).all(1)
    assert 0 < int(passed.sum()) < 50
    assert torch.allclose(y[~passed], x[~passed] + 2 * branch[~passed])


def test_depths_that_are_not_there():
    with pytest.raises(UsageError, match="block is 0 of 3"):
        bridle.DropPath(keep_prob=0.5).at_depth(0, 3)
    with pytest.raises(UsageError, match="depth is 'cubic'"):
        bridle.DropPath(keep_prob=0.5, depth="cubic")


# ------------------------------------------------------------------ concrete dropout


def _concrete(**given):
    noise = bridle.ConcreteDropout(**given)
    noise.learned = nn.Parameter(noise.learned.detach().double())
    return noise


@pytest.mark.parametrize("drop", [0.05, 0.4])
@pytest.mark.parametrize("temperature", [0.1, 0.7])
def test_the_gradient_of_the_rate_is_a_difference_quotient(drop, temperature):
    noise = _concrete(drop_prob=drop, temperature=temperature)
    x = torch.randn(30, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def loss():
        return (noise.train(x, bridle.address_of(1)) ** 3 + x).sum()

    loss().backward()
    step = 1e-6
    with torch.no_grad():
        noise.learned += step
        above = loss()
        noise.learned -= 2 * step
        below = loss()
    assert float(noise.learned.grad) == pytest.approx(float(above - below) / (2 * step), rel=1e-5)


def test_the_relaxed_mask_follows_the_papers_formula():
    noise = _concrete(drop_prob=0.3, temperature=0.4)
    x = torch.randn(6, 9, dtype=torch.float64)
    u = bridle.ops.uniform_like(x, bridle.address_of(5, stream=1))
    p = torch.tensor(0.3, dtype=torch.float64)
    z = torch.sigmoid((p.log() - (1 - p).log() + u.log() - (1 - u).log()) / 0.4)
    expected = x * (1 - z) / (1 - p)
    assert torch.allclose(noise.train(x, bridle.address_of(5, stream=1)), expected, rtol=1e-6)


def test_a_cold_relaxed_mask_is_a_mask_at_the_rate():
    noise = _concrete(drop_prob=0.3, temperature=1e-4)
    y = noise.train(torch.ones(300, 300, dtype=torch.float64), bridle.address_of(1)) * 0.7
    assert float(((y < 1e-3) | (y > 1 - 1e-3)).double().mean()) > 0.999
    low, high = binom.ppf([1e-6, 1 - 1e-6], y.numel(), 0.7)
    assert low <= int((y > 0.5).sum()) <= high
    ones = torch.ones(300, 300, dtype=torch.float64)
    assert torch.equal(noise.seen(ones, y / 0.7), (y > 0.5).flatten())


@pytest.mark.parametrize("drop", [0.02, 0.5, 0.8])
def test_the_entropy_term_and_its_gradient(drop):
    noise = _concrete(drop_prob=drop, entropy=0.01)
    noise.train(torch.ones(3, 4, 5, dtype=torch.float64), bridle.address_of(1))
    penalty = noise.regularizer()
    entropy = -drop * math.log(drop) - (1 - drop) * math.log(1 - drop)
    logit = noise.learned.detach().requires_grad_()
    value = penalty.value(logit)
    assert value.item() == pytest.approx(-0.01 * 20 * entropy, rel=1e-6)
    (by_hand,) = torch.autograd.grad(value, logit)
    assert torch.allclose(penalty.gradient(logit.detach()), by_hand, atol=1e-12)
    with pytest.raises(UsageError, match="coupled"):
        penalty.prox(logit, 0.1)


def _learn(noise, loss, steps=100):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.04)
    receipt = bridle.regularize(model, {"1": noise}, optimizer=optimizer)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model).backward()
        optimizer.step()
    return receipt.noises[0].noise.keep_prob


def test_the_learned_rate_goes_where_the_loss_wants_it():
    """Down where a noiseless function is to be learned, and to ½ where only the entropy speaks."""
    X = torch.randn(64, 8, generator=torch.Generator().manual_seed(1))
    y = X.sum(1, keepdim=True)

    def fits(model):
        return nn.functional.mse_loss(model(X), y)

    def nothing(model):
        return 0.0 * model(X).sum()

    noise = bridle.ConcreteDropout(drop_prob=0.3, entropy=0.0)
    assert _learn(noise, fits) > 0.8
    for start in (0.1, 0.9):
        strong = bridle.ConcreteDropout(drop_prob=start, entropy=1.0)
        assert abs(_learn(strong, nothing, steps=200) - 0.5) < 0.05
    weak = bridle.ConcreteDropout(drop_prob=0.3, entropy=1e-4)
    pulled = bridle.ConcreteDropout(drop_prob=0.3, entropy=1e-1)
    assert _learn(pulled, fits) < _learn(weak, fits) - 0.05


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"drop_prob": 0.0}, "dropping nothing"),
        ({"keep_prob": torch.tensor([0.5, 0.5])}, "one probability"),
        ({"keep_prob": 0.5, "entropy": -1.0}, "entropy is -1.0"),
        ({"keep_prob": 0.5, "temperature": 0.0}, "temperature is 0.0"),
    ],
)
def test_concrete_dropout_that_cannot_be(given, message):
    with pytest.raises(UsageError, match=message):
        bridle.ConcreteDropout(**given)


# ------------------------------------------------------------------ in bridle's own network


@pytest.mark.parametrize("name", ["GaussianDropout", "AlphaDropout"])
def test_a_network_with_other_noise_is_trained_and_predicts_without(name):
    torch.manual_seed(0)
    X = torch.randn(64, 6)
    y = (X.sum(1) > 0).long()
    noise = getattr(bridle, name)(keep_prob=0.8)
    network = bridle.Network([6, 32, 2], hidden_noise=noise, input_noise=noise, seeds=[0, 1])
    plain = bridle.Network([6, 32, 2], seeds=[0, 1])
    assert torch.equal(bridle.predict(network, X), bridle.predict(plain, X))
    hidden = torch.relu(noise.train(X.expand(2, -1, -1), network.address(0)) @ network.weights[0])
    expected = noise.train(hidden, network.address(2)) @ network.weights[1]
    assert torch.allclose(network(X, noise=True), expected, atol=1e-6)
    alone = network.take([1])
    assert torch.allclose(alone(X, noise=True)[0], network(X, noise=True)[1], atol=1e-6)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = [bridle.train_step(network, (X, y), optimizer=optimizer) for _ in range(60)]
    assert (losses[-1] < 0.7 * losses[0]).all()
    with pytest.raises(UsageError, match="no classic form"):
        network.with_scaling("classic")


@pytest.mark.parametrize(
    "noise",
    [
        bridle.SpatialDropout(keep_prob=0.5),
        bridle.LockedDropout(keep_prob=0.5),
        bridle.DropPath(keep_prob=0.5),
        bridle.FeatureAlphaDropout(keep_prob=0.5),
        bridle.ConcreteDropout(keep_prob=0.5),
        bridle.DropConnect(keep_prob=0.5),
    ],
)
def test_a_network_refuses_noise_that_it_has_no_place_for(noise):
    with pytest.raises(UsageError, match="no place for"):
        bridle.Network([4, 8, 2], hidden_noise=noise)


def test_units_of_a_linear_layer_agree_with_numpys_moments():
    """Means of what a layer makes of Gaussian dropout are those of a normal sum, by hand."""
    x, w = np.array([1.0, -2.0, 0.5]), np.array([0.3, 0.7, -1.1])
    noise = bridle.GaussianDropout(keep_prob=0.5)
    rows = torch.from_numpy(np.tile(x, (20_000, 1)))
    drawn = (noise.train(rows, bridle.address_of(9)) @ torch.from_numpy(w)).numpy()
    spread = np.sqrt(((x * w) ** 2).sum())  # (1 - p) / p is 1
    assert abs(drawn.mean() - x @ w) < FAR * spread / np.sqrt(len(drawn))
    assert abs(drawn.std() / spread - 1) < FAR / np.sqrt(2 * len(drawn))
