"""Masks: the published vectors, the definition unit by unit, and the statistics."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy.stats import binom, kstest, norm

import reference
from bridle.ops import address_of, dropout
from bridle.ops.masks import keep_mask, mask_key, normals, philox4x32, uniforms

# Random123, tests/kat_vectors, "philox4x32 10": counter, key, result
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
KINDS = {
    "integers": int,
    "numpy": lambda word: np.array([word], dtype=np.uint64),
    "torch": lambda word: torch.tensor([word], dtype=torch.int64),
}
FAR = 2**32


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("counter", "key", "result"), KNOWN_ANSWERS)
def test_known_answers(kind, counter, key, result):
    make = KINDS[kind]
    words = philox4x32(tuple(map(make, counter)), tuple(map(make, key)))
    assert tuple(int(np.asarray(word).item()) for word in words) == result
    assert tuple(reference.philox(counter, key)) == result


def _mask(seed, stream, step, rows, units, keep_prob):
    threshold = torch.tensor([max(1, round(keep_prob * 65536))])
    address = address_of([seed], stream=stream, step=step)
    return keep_mask(address, torch.tensor([rows]), units, threshold)[0].double().numpy()


@pytest.mark.parametrize("units", [1, 7, 127, 128, 129, 300])
def test_masks_follow_the_definition(units):
    rows = [0, 1, 5]
    expected = reference.mask(3, 2, 9, rows, units, 0.4)
    assert np.array_equal(_mask(3, 2, 9, rows, units, 0.4), expected)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(-(2**63), 2**63 - 1),
    stream=st.integers(0, 2**63 - 1),
    step=st.integers(0, 2**63 - 1),
    row=st.integers(0, 2**63 - 1),
    keep_prob=st.floats(1e-6, 1),
)
def test_masks_at_any_address(seed, stream, step, row, keep_prob):
    """Every part of an address has 64 bits, so that counters may pass 2³²."""
    expected = reference.mask(seed, stream, step, [row], 20, keep_prob)
    assert np.array_equal(_mask(seed, stream, step, [row], 20, keep_prob), expected)


def test_high_words_count():
    base = _mask(1, 1, 1, [1], 128, 0.5)
    for change in ({"seed": 1 + FAR}, {"stream": 1 + FAR}, {"step": 1 + FAR}, {"rows": [1 + FAR]}):
        address = {"seed": 1, "stream": 1, "step": 1, "rows": [1]} | change
        assert not np.array_equal(_mask(**address, units=128, keep_prob=0.5), base)


def test_blocks_past_the_cache_limit_are_the_same_blocks():
    """Several chunks of rows, and one row that is longer than a chunk."""
    many = _mask(1, 0, 0, list(range(3000)), 130, 0.5)
    for row in (0, 511, 512, 2999):
        assert np.array_equal(many[row], _mask(1, 0, 0, [row], 130, 0.5)[0])
    wide = _mask(1, 0, 0, [4], 300_001, 0.5)[0]
    for unit in (0, 131_072, 262_143, 300_000):
        assert wide[unit] == reference.keep(1, 0, 0, 4, unit, 0.5)


def test_a_member_draws_what_it_draws_alone():
    x = torch.ones(3, 40, 77)
    together = dropout(x, address_of([5, 6, 7], stream=1, step=[2, 3, 4]), 0.5)
    for member, (seed, step) in enumerate(((5, 2), (6, 3), (7, 4))):
        alone = dropout(x[0], address_of(seed, stream=1, step=step), 0.5)
        assert torch.equal(together[member], alone)


@pytest.mark.parametrize("split", [1, 3, 17])
def test_a_batch_in_parts_draws_the_whole_mask(split):
    x, address = torch.ones(50, 33), address_of(1, step=2)
    parts = zip(x.split(split), torch.arange(50).split(split), strict=True)
    whole = torch.cat([dropout(part, address, 0.5, rows=rows) for part, rows in parts])
    assert torch.equal(whole, dropout(x, address, 0.5))


def test_threads_do_not_matter():
    x, address = torch.ones(300, 500), address_of(1)
    before = torch.get_num_threads()
    try:
        masks = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            masks.append(dropout(x, address, 0.5))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(masks[0], masks[1])
    assert torch.equal(masks[0], masks[2])


def test_different_addresses_give_different_keys():
    keys = {
        mask_key(seed, stream, step)
        for seed in range(20)
        for stream in range(20)
        for step in range(20)
    }
    assert len(keys) == 8000


@pytest.mark.parametrize("keep_prob", [1 / 65536, 0.01, 0.3, 0.5, 0.9, 65535 / 65536])
def test_kept_share_is_binomial(keep_prob):
    count = 1 << 20
    kept = int(_mask(11, 0, 0, list(range(1024)), 1024, keep_prob).sum())
    low, high = binom.ppf([1e-6, 1 - 1e-6], count, round(keep_prob * 65536) / 65536)
    assert low <= kept <= high


@pytest.mark.parametrize("shift", [(0, 1), (0, 16), (0, 32), (0, 128), (1, 0), (1, 1)])
def test_neighbours_are_independent(shift):
    kept = _mask(12, 0, 0, list(range(512)), 1024, 0.5) - 0.5
    moved = np.roll(kept, shift, axis=(0, 1))
    correlation = (kept * moved).mean() / 0.25
    assert abs(correlation) < norm.isf(1e-6) / np.sqrt(kept.size)


def test_steps_streams_and_seeds_are_independent():
    def draw(seed, stream, step):
        return _mask(seed, stream, step, list(range(256)), 1024, 0.5) - 0.5

    base = draw(0, 0, 0)
    for other in (draw(1, 0, 0), draw(0, 1, 0), draw(0, 0, 1)):
        correlation = (base * other).mean() / 0.25
        assert abs(correlation) < norm.isf(1e-6) / np.sqrt(base.size)


# ------------------------------------------------------------------ numbers


@pytest.mark.parametrize("units", [1, 15, 64, 65, 150])
def test_uniform_numbers_follow_the_definition(units):
    rows = [0, 3, FAR]
    drawn = uniforms(address_of([-5], stream=2, step=9), torch.tensor([rows]), units)[0]
    expected = [[reference.uniform(-5, 2, 9, row, unit) for unit in range(units)] for row in rows]
    assert drawn.tolist() == expected


def test_normal_numbers_follow_the_definition():
    """To the last place of single precision, and nearly all of them to the last bit."""
    rows, units = list(range(20)), 150
    drawn = normals(address_of([3], stream=1, step=FAR), torch.tensor([rows]), units)[0].numpy()
    expected = np.array(
        [[reference.normal(3, 1, FAR, row, unit) for unit in range(units)] for row in rows]
    )
    assert np.allclose(drawn, expected, rtol=2.0**-23, atol=1e-12)
    assert (drawn == expected.astype(np.float32)).mean() > 0.999


def test_normal_numbers_are_normal():
    rows, units = 1024, 1024
    drawn = normals(address_of([7]), torch.arange(rows)[None], units)[0].numpy()
    count, far = drawn.size, norm.isf(1e-6)
    moments = {1: (0, 1), 2: (1, 2), 3: (0, 15), 4: (3, 96)}  # of z^k: mean and variance
    for power, (mean, variance) in moments.items():
        assert abs((drawn**power).mean() - mean) < far * np.sqrt(variance / count)
    assert kstest(drawn.ravel()[::16], "norm").pvalue > 1e-6
    for shift in ((0, 1), (0, 16), (0, 32), (0, 64), (1, 0)):  # 16: the pair of one block
        moved = np.roll(drawn, shift, axis=(0, 1))
        assert abs((drawn * moved).mean()) < far / np.sqrt(count)
        assert abs(((drawn**2 - 1) * (moved**2 - 1)).mean()) < far * 2 / np.sqrt(count)


def test_numbers_of_a_member_are_those_it_has_alone():
    rows = torch.tensor([[4, 9]])
    together = normals(address_of([5, 6], stream=1, step=[2, 3]), rows, 70)
    for member, (seed, step) in enumerate(((5, 2), (6, 3))):
        alone = normals(address_of([seed], stream=1, step=step), rows, 70)
        assert torch.equal(together[member], alone[0])
