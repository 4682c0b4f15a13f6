"""Large tables: folds that are left out, bins, and memory."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from search_cases import FAST, SMALL, a_table, make_data

import bridle
from bridle.search import data as search_data, embedded, encoding, plan as planning
from bridle.search.configuration import Space, input_noise_share
from bridle.search.data import SearchData, enough_folds, fold_of_rows
from bridle.search.encoding import encode, encoded_rows, fit_encoders
from bridle.search.plan import plan_search


@pytest.mark.parametrize(
    ("rows", "folds", "held_out"),
    [
        (9_999, 5, 9_999),
        (10_000, 3, 6_000),
        (16_512, 2, 6_606),
        (25_000, 1, 5_000),
        (39_073, 1, 5_582),
        (400_000, 1, 5_000),
    ],
)
def test_a_large_table_has_only_the_folds_that_hold_out_enough_rows(rows, folds, held_out):
    y = np.arange(rows) % 3
    fold = enough_folds(y, 5, 3, seed=1)
    assert fold.max() + 1 == folds
    assert abs((fold >= 0).sum() - held_out) <= 1
    share = np.bincount(y[fold >= 0]) / held_out
    assert abs(share - 1 / 3).max() < 1e-3
    if rows <= 25_000:
        every = fold_of_rows(y, 5, 3, seed=1)
        np.testing.assert_array_equal(fold, np.where(every < folds, every, -1))


def test_the_training_score_is_of_rows_that_the_networks_were_trained_on():
    """The held-out rows of a fold that is alone were seen by no network."""
    data = make_data(rows=120, folds=5)
    assert data.seen is data.scored
    fold = torch.where(data.fold < 1, data.fold, -1)
    alone = SearchData(data.inputs, data.y, fold, data.classes)
    assert alone.folds == 1
    assert not (alone.seen & alone.scored).any()
    assert int(alone.seen.sum()) == int(alone.scored.sum()) == 24
    counts = torch.bincount(alone.y[alone.seen])
    assert counts.max() - counts.min() <= 1


def test_a_search_with_one_fold(monkeypatch):
    monkeypatch.setattr(search_data, "LARGE", 100)
    monkeypatch.setattr(search_data, "ENOUGH_HELD_OUT", 20)
    table = a_table(rows=150)
    given = {name: value for name, value in FAST.items() if name != "folds"} | {"epochs": 60}
    found = bridle.search(table, "y", **given, answer="best")
    assert found.model.network.members == 1
    seen = found.observed
    assert len(seen.y) == 20
    parts = {name: set(rows.tolist()) for name, rows in seen.places.items()}
    assert not parts["searched"] & parts["seen"]
    assert not parts["test"] & (parts["searched"] | parts["seen"])

    def score(part):
        said = found.model.predict(table.iloc[seen.places[part]])["prediction"]
        return float((said == table["y"].iloc[seen.places[part]]).mean())

    diagnosis = found.chosen.diagnosis
    assert diagnosis.training.value == pytest.approx(score("seen"))
    assert diagnosis.held_out.value == pytest.approx(score("searched"))
    told = bridle.diagnose(found, table)
    assert told.training.score.value == pytest.approx(score("seen"))
    assert told.held_out.score.value == pytest.approx(score("searched"))
    every = bridle.search(table, "y", **given, answer="best", folds=5)
    assert every.model.network.members == 5
    assert len(every.observed.y) == 120
    assert isinstance(seen.fold, torch.Tensor)
    assert pd.Series(seen.fold.numpy()).eq(0).all()


MEMORY = """
import resource
import numpy as np, pandas as pd, sklearn.ensemble, torch, bridle

torch.set_num_threads(1)
random = np.random.default_rng(0)
frame = pd.DataFrame(random.normal(size=(50_000, 20))).add_prefix("x")
frame["target"] = np.where(frame.x0 * frame.x1 > 0, "a", "b")
bridle.search  # its imports
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = bridle.search(
    frame, "target", configurations=2, epochs=1, hidden=[(8,)], memory="100MB", answer="best"
)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is the kilobyte here")
def test_a_large_table_stays_within_the_memory():
    """Sixteen bins for each of 20 columns would take 68 MB, and twice that in float64."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) * 1024 < 100e6


def test_bins_by_the_number_of_rows_and_the_memory():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(1000, 4)))
    frame.columns = [f"x{at}" for at in range(4)]
    many = pd.concat([frame] * 10, ignore_index=True)
    wide = pd.concat([many.add_suffix(f"_{at}") for at in range(5)], axis=1)
    assert [list(fit_encoders(each)) for each in (frame, many, wide)] == [
        [0, 16],
        [0, 128],
        [0, 102],
    ]
    assert list(fit_encoders(many, device="cuda")) == [0, 128]
    assert list(fit_encoders(wide, device="cuda")) == [0, 25]
    sizes, short = {0: 4, 16: 68, 8: 36}, 12  # a code and a part of each number's block, and more
    for bins, memory in (
        (16, 4 * 4000 * (4 + 68 + short)),
        (8, 4 * 4000 * (4 + 36 + short)),
        (None, 4 * 4000 * (9 + short)),
    ):
        encoders = fit_encoders(frame, memory=memory)
        assert list(encoders) == ([0] if bins is None else [0, bins])
        rows = encode(encoders, frame)
        assert [rows[each].shape[1] for each in encoders] == [sizes[each] for each in encoders]
        held = sum(each.numel() for each in rows.values()) * 4
        held += sum(each.codes.numel() * 8 for each in encoded_rows(encoders, rows).values())
        assert held <= max(memory / 4, 16_000)


@pytest.mark.parametrize("classes", [True, False])
def test_many_bins_have_no_noise_on_inputs(classes):
    random = np.random.default_rng(0)
    for bins in (0, 16, 128):
        space = Space(bins=(bins,), classes=classes)
        noisy = [space.sample(random).input_keep_prob < 1 for _ in range(2000)]
        share = input_noise_share(classes=classes, bins=bins)
        assert np.mean(noisy) == pytest.approx(share, abs=0.04 if share else 0.0)


def test_a_value_of_most_rows_leaves_bins_to_the_others_of_a_large_table(monkeypatch):
    """The gains of nine in ten rows are 0, so that plain quantiles know few of the others."""
    random = np.random.default_rng(0)
    gain = np.where(random.random(2000) < 0.9, 0, random.integers(1, 60, 2000) ** 2)
    frame = pd.DataFrame({"gain": gain, "size": random.normal(size=2000)})

    def bins_of(column, **given):
        names = fit_encoders(frame, **given)[64].feature_names
        return sum(name.startswith(f"{column}[") for name in names)

    fewer = bins_of("gain", bins=64)
    monkeypatch.setattr(encoding, "LARGE", 2000)
    monkeypatch.setattr(encoding, "MANY_BINS", 64)
    assert bins_of("gain") == len(np.unique(gain)) - 1 > 5 * fewer
    assert bins_of("size") == 64
    # of a search that an earlier version began
    monkeypatch.setattr(encoding, "EARLIER_BINS", 64)
    assert bins_of("gain", resumed=True) == fewer
    assert bins_of("gain", resumed=True, bins=64) > fewer


def test_the_first_rungs_of_a_large_table_are_shorter(monkeypatch):
    data = make_data(rows=120, folds=2)
    given = {"seconds": None, "configurations": 9, "epochs": 900, "memory": 1e9}
    given |= {"seed": 0, "scoring": "accuracy", "workers": 1}
    shapes = Space((SMALL,)).configurations
    small, _ = plan_search(data, shapes, **given)
    monkeypatch.setattr(planning, "LARGE", 120)
    large, _ = plan_search(data, shapes, **given)
    last = small.steps[-1]
    assert small.steps == (last // 9, last // 3, last)
    assert large.steps == (last // 25, last // 5, last)


def test_a_large_table_is_searched_with_embeddings_unless_told_otherwise(monkeypatch):
    table = a_table(rows=150)

    def embedded_share(**given):
        found = bridle.search(table, "y", **FAST | {"configurations": 8} | given)
        return (found.configurations["embedding"] > 0).mean()

    assert embedded_share() == 0
    monkeypatch.setattr(embedded, "LARGE", 100)
    assert 0 < embedded_share() < 1
    assert embedded_share(embeddings=False) == 0
    assert embedded_share(shared_members=2) == 0
