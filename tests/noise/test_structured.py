"""Structured dropout: channels, time steps and residual branches share a mask entry."""

import math

import pytest
import torch
from scipy.stats import binom, norm
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import bridle
from bridle.errors import UsageError
from bridle.noise.structured import examples_packed

FAR = norm.isf(1e-6)  # how many standard errors a mean may be off


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
        (bridle.DropPath(keep_prob=0.5, batch_first=False), (4,), "no axis for rows"),
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
