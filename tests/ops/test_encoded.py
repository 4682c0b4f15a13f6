"""The first layer of encoded rows: sums of few rows of the weights, beside the whole product."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import bridle
from bridle.errors import UsageError
from bridle.ops import cpu
from bridle.ops.encoded import Block, EncodedRows
from bridle.search.configuration import Configuration
from bridle.search.data import SearchData
from bridle.search.encoding import encode, encoded_rows, fit_encoders
from bridle.search.trial_population import TrialPopulation

FUSED = [name for name in cpu.variants() if name in ("avx512", "avx2", "neon")]
PLAIN = Configuration(learning_rate=3e-3)
CONFIGURATIONS = {
    "plain": PLAIN,
    "penalties": replace(PLAIN, l1=1e-3, l2=1e-2, max_norm=1.0, averaging=8.0),
    "units": replace(PLAIN, keep_prob=0.6),
    "mixup": replace(PLAIN, mixup=0.5),
    "weights": replace(PLAIN, drop_connect_keep_prob=0.7),
    "inputs": replace(PLAIN, input_keep_prob=0.8),
    "all but inputs": replace(PLAIN, mixup=1.0, drop_connect_keep_prob=0.8, keep_prob=0.5, l2=1e-3),
}

pytestmark = pytest.mark.skipif(not FUSED, reason="needs AVX2, AVX-512 or NEON")


def table(numbers=2, categories=2, rows=150):
    """A table with numbers, one of them with gaps and one nearly constant, categories and more."""
    random = np.random.default_rng(5)
    columns = {f"x{at}": random.normal(size=rows) for at in range(numbers)}
    columns |= {
        f"c{at}": random.choice(list("abcdefghijkl"[: 2 + 8 * at]), rows)
        for at in range(categories)
    }
    frame = pd.DataFrame(columns)
    if numbers > 1:
        frame.loc[::7, "x1"] = np.nan
        frame["few"] = (np.arange(rows) % 40 == 0).astype(float)
    return frame


def data_of(frame, bins=9, classes=3, folds=2, fitted=100):
    """Return the data with and without the short form; some rows are not those of `fit`."""
    known = frame.iloc[:fitted]
    encoders = {bins: fit_encoders(known)[0].binned(known, bins)}
    outside = frame.copy()
    outside.iloc[100:120, 0] *= 50.0  # outside of the edges
    if "c1" in outside:
        outside.loc[120:, "c1"] = "new"
    X = encode(encoders, outside)
    y = torch.arange(len(frame)) % classes if classes else X[bins][:, 0] * 2
    data = SearchData(X, y, torch.arange(len(frame)) % folds, classes)
    return replace(data, encoded=encoded_rows(encoders, X)), data


def trained(data, configurations, *, ids=None, hidden=(64, 33), steps=(1, 6, 5)):
    bins = next(iter(data.inputs))
    shaped = [each.with_shape(hidden, bins, each.embedding > 0) for each in configurations]
    ids = range(len(shaped)) if ids is None else ids
    population = TrialPopulation(data, shaped, ids, seed=3, batch_size=19)
    for some in steps:
        population.train(some)
    state = population.state()
    groups = ("weights", "moments", "squares", "average")
    return {f"{group} {i}": each.clone() for group in groups for i, each in enumerate(state[group])}


def assert_close(found, expected):
    for what, value in expected.items():
        torch.testing.assert_close(
            found[what], value, rtol=2e-4, atol=1e-4, msg=lambda m, said=what: f"{said}: {m}"
        )


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("classes", [0, 3])
def test_steps_are_those_of_the_whole_product_to_rounding(name, classes):
    short, whole = data_of(table(), classes=classes)
    kept = short.encoded[9]
    assert [block.binned for block in kept.blocks] == [True, True, False]
    assert [block.count for block in kept.blocks] == [9, 8, 10]  # many gaps are one quantile
    assert len(kept.plain) == len(whole.inputs[9][0]) - 9 - 8 - 10
    found, expected = (trained(each, [CONFIGURATIONS[name]]) for each in (short, whole))
    assert_close(found, expected)
    equal = all(torch.equal(found[what], expected[what]) for what in expected)
    assert equal == (name == "inputs")  # masks of inputs need the whole rows


@pytest.mark.parametrize(
    ("numbers", "categories", "hidden"),
    [
        *((numbers, 0, hidden) for numbers in (1, 3) for hidden in [(), (1,), (15,), (80,)]),
        *((numbers, 3, (131, 64)) for numbers in (1, 2)),
    ],
)
def test_gradients_of_any_shape(numbers, categories, hidden):
    """After one step the first moments are a tenth of the gradients."""
    frame = table(numbers, categories, rows=700)
    short, whole = data_of(frame, bins=300, fitted=600)  # bins for which any units are enough
    several = [CONFIGURATIONS[name] for name in ("plain", "mixup", "weights", "all but inputs")]
    found, expected = (trained(each, several, hidden=hidden, steps=(1,)) for each in (short, whole))
    assert float(expected["moments 0"].abs().max()) > 1e-3
    assert not torch.equal(found["moments 0"], expected["moments 0"])  # not the same way
    for what in (name for name in expected if name.startswith("moments")):
        torch.testing.assert_close(found[what], expected[what], rtol=1e-4, atol=1e-6, msg=what)


def assert_outputs_are_those_of_torch(using, data, shaped):
    population = TrialPopulation(data, shaped, range(len(shaped)), seed=3, batch_size=19)
    population.train(3)
    using("torch")
    expected = population.held_out_outputs()
    for name in FUSED:
        using(name)
        for population.encoded in (data.encoded[9], None):
            found = population.held_out_outputs()
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("hidden", [(64,), (7,), (131, 64)])
@pytest.mark.parametrize("rows", [150, 1300])
def test_outputs_are_those_of_torch_to_rounding(using, rows, hidden):
    short, _ = data_of(table(rows=rows))
    shaped = [PLAIN.with_shape(hidden, 9), CONFIGURATIONS["all but inputs"].with_shape(hidden, 9)]
    assert_outputs_are_those_of_torch(using, short, shaped)


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("classes", [0, 3])
def test_steps_with_an_embedding_are_those_of_the_whole_product(name, classes):
    embedded = replace(CONFIGURATIONS[name], embedding=0.4)
    short, whole = (replace(each, numbers=2) for each in data_of(table(), classes=classes))
    found, expected = (trained(each, [embedded]) for each in (short, whole))
    assert_close(found, expected)
    equal = all(torch.equal(found[what], expected[what]) for what in expected)
    assert equal == (name == "inputs")
    plain = trained(whole, [CONFIGURATIONS[name]])
    assert found["weights 0"].shape != plain["weights 0"].shape


def test_outputs_with_an_embedding_are_those_of_torch(using):
    short = replace(data_of(table())[0], numbers=2)
    shaped = [replace(PLAIN.with_shape((64,), 9), embedding=0.4)]
    assert_outputs_are_those_of_torch(using, short, shaped)


def test_no_other_inputs_than_blocks():
    X = torch.cat([torch.rand(60, 1), torch.zeros(60, 8)], 1)
    y = torch.rand(60)
    whole = SearchData({4: X}, y, torch.arange(60) % 2, 0)
    short = replace(whole, encoded={4: EncodedRows.of(X, [Block(0, 9, binned=True)])})
    assert short.encoded[4].plain == ()
    assert_close(trained(short, [PLAIN]), trained(whole, [PLAIN]))


def test_all_variants_give_the_same_bits(using):
    short, _ = data_of(table())
    found = []
    for name in FUSED:
        using(name)
        found.append(trained(short, CONFIGURATIONS.values()))
    for other in found[1:]:
        assert all(torch.equal(other[what], found[0][what]) for what in other)


def test_a_member_has_the_same_bits_whatever_trains_beside_it_and_on_any_threads():
    short, _ = data_of(table())
    before = torch.get_num_threads()
    together = trained(short, CONFIGURATIONS.values())
    torch.set_num_threads(1)
    try:
        for at, each in enumerate(CONFIGURATIONS.values()):
            alone = trained(short, [each], ids=[at])
            for what, value in alone.items():
                assert torch.equal(together[what][2 * at : 2 * at + 2], value), what
    finally:
        torch.set_num_threads(before)


def test_the_short_form_has_every_value():
    frame = table()
    X = data_of(frame)[0].inputs[9]
    kept = data_of(frame)[0].encoded[9]
    rebuilt = torch.zeros_like(X)
    for at, block in enumerate(kept.blocks):
        for row, code in enumerate(kept.codes[:, at].tolist()):
            if block.binned:
                rebuilt[row, block.first : code] = 1
            rebuilt[row, code] = kept.parts[row, at]
    rebuilt[:, list(kept.plain)] = X[:, list(kept.plain)]
    assert torch.equal(rebuilt, X)
    assert float(X.min()) < -0.5
    assert bool((kept.parts[:, 0] > 1).any())
    assert bool((kept.parts[:, 0] < 0).any())


def test_a_block_of_another_form_is_left_to_the_product():
    X = torch.zeros(5, 16)
    X[:, :3] = torch.tensor([1.0, 1.0, 0.5])
    X[2, 9], X[2, 11] = 1.0, 1.0  # two categories
    blocks = [Block(8, 8, binned=False), Block(0, 8, binned=True)]
    assert EncodedRows.of(X, blocks).blocks == (blocks[1],)
    X[3, 1] = 0.9
    assert EncodedRows.of(X, blocks) is None
    assert EncodedRows.of(X, [Block(0, 7, binned=True)]) is None  # few inputs


def test_what_the_kernel_would_misread_is_refused():
    X = torch.zeros(5, 12)
    with pytest.raises(UsageError, match="overlap"):
        EncodedRows.of(X, [Block(0, 4, binned=True), Block(3, 4, binned=True)])
    with pytest.raises(UsageError, match="12 inputs"):
        EncodedRows.of(X, [Block(9, 4, binned=True)])
    short, _ = data_of(table())
    other = replace(short, encoded={9: EncodedRows.of(X, [Block(0, 8, binned=True)])})
    with pytest.raises(UsageError, match="5 × 12 values, but X is 150"):
        trained(other, [PLAIN])


def test_a_search_is_reproducible():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(200, 3)), columns=list("abc"))
    frame["y"] = np.where(frame.a * frame.b > 0, "yes", "no")
    first, second = (
        bridle.search(frame, "y", configurations=9, epochs=4, seed=1, answer="best").configurations
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(first, second)
    assert set(first["bins"]) == {0, 16}
