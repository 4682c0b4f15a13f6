"""The benchmarks of papers: what they read, that they go on when stopped, what they say."""

from __future__ import annotations

import gzip
import math
import struct
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from bridle import Dropout, Network
from bridle.errors import DataError, UsageError

PAPERS = Path(__file__).parents[1] / "benchmarks" / "papers"
if not PAPERS.exists():
    pytest.skip("the benchmarks are not in this copy", allow_module_level=True)
sys.path.insert(0, str(PAPERS))

import digits as digits_module  # noqa: E402
import evidence  # noqa: E402
import gal2016  # noqa: E402
import populations  # noqa: E402
import results  # noqa: E402
import srivastava2014  # noqa: E402
import srivastava_figures  # noqa: E402
import wan2013  # noqa: E402

Column, Plan = populations.Column, populations.Plan
SIDE = 8


@pytest.fixture(scope="module")
def arrays():
    random = np.random.default_rng(0)
    shapes = random.integers(0, 200, (10, SIDE, SIDE))

    def part(rows):
        y = random.integers(0, 10, rows).astype(np.uint8)
        images = shapes[y] + random.integers(0, 55, (rows, SIDE, SIDE))
        return images.astype(np.uint8), y

    return (*part(120), *part(60))


@pytest.fixture(scope="module")
def npz(arrays, tmp_path_factory):
    path = tmp_path_factory.mktemp("npz") / "mnist.npz"
    np.savez(path, **dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays, strict=True)))
    return path


def write_idx(folder, arrays, *, dotted=False, zipped=False):
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    for name, array in zip(names, arrays, strict=True):
        header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        content = header + array.tobytes()
        name = f"{name}-ubyte".replace("-idx", ".idx" if dotted else "-idx")
        if zipped:
            name, content = f"{name}.gz", gzip.compress(content)
        (folder / name).write_bytes(content)
    return folder


# ------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files_and_npz_hold_the_same(arrays, npz, tmp_path, dotted, zipped):
    first = digits_module.read_digits(npz)
    second = digits_module.read_digits(write_idx(tmp_path, arrays, dotted=dotted, zipped=zipped))
    for name in ("X", "y", "X_test", "y_test"):
        assert torch.equal(getattr(first, name), getattr(second, name))
    assert first.X.shape == (120, SIDE**2)
    assert first.X[3, 5] == np.float32(arrays[0][3].flat[5]) / np.float32(255)
    assert first.y.tolist() == arrays[1].tolist()


def test_broken_files_are_named(arrays, tmp_path):
    read = digits_module.read_digits
    with pytest.raises(DataError, match="nowhere does not exist"):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match="has no train-images"):
        read(tmp_path)
    folder = write_idx(tmp_path, arrays)
    images = folder / "train-images-idx3-ubyte"
    whole = images.read_bytes()
    images.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=rf"should hold {120 * SIDE**2} bytes"):
        read(folder)
    images.write_bytes(b"\0\0\x0d" + whole[3:])
    with pytest.raises(DataError, match="no idx file of bytes"):
        read(folder)
    images.unlink()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(whole)[:-9])
    with pytest.raises(DataError, match="truncated"):
        read(folder)
    np.savez(tmp_path / "other.npz", x_train=arrays[0])
    with pytest.raises(DataError, match="has no y_train"):
        read(tmp_path / "other.npz")
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(DataError, match="is no npz file"):
        read(tmp_path / "text.npz")
    fewer = (arrays[0], arrays[1][:-1], *arrays[2:])
    names = ("x_train", "y_train", "x_test", "y_test")
    np.savez(tmp_path / "fewer.npz", **dict(zip(names, fewer, strict=True)))
    with pytest.raises(DataError, match="one label for each image"):
        read(tmp_path / "fewer.npz")


def test_some_of_the_rows_are_always_the_same(npz):
    digits = digits_module.read_digits(npz)
    some = digits.first(50)
    assert torch.equal(some.first(50).X, some.X)
    assert torch.equal(digits.first(20).y, some.y[:20])
    assert some.held_out(10).y_test.tolist() == some.y[-10:].tolist()
    with pytest.raises(UsageError, match="rows is 121"):
        digits.first(121)


# ------------------------------------------------------------------------------------ evidence


def test_evidence():
    truth = torch.tensor([0] * 20)
    first = torch.tensor([1] * 9 + [0] * 11)
    second = torch.tensor([1] + [0] * 18 + [1])
    found = evidence.mcnemar(first, second, truth)
    assert (found.first_only, found.second_only) == (8, 1)
    # two-sided binomial: 2 (1 + 9) / 2⁹
    assert found.p_value == pytest.approx(20 / 512)
    assert evidence.mcnemar(first, first, truth).p_value == 1
    error = evidence.error_of(first, truth)
    assert error.value == pytest.approx(45)
    assert error.low < 45 < error.high
    mean, deviation, half = evidence.spread([1.0, 2.0, 3.0])
    assert (mean, deviation) == (2, 1)
    assert half == pytest.approx(4.302653 / math.sqrt(3))
    assert math.isnan(evidence.spread([1.0])[1])
    # the vote averages probabilities: one sure network outweighs two that waver
    members = torch.tensor([[[0.9, 0.1]], [[0.4, 0.6]], [[0.4, 0.6]]])
    assert evidence.vote(members).tolist() == [0]


def test_monte_carlo_dropout_is_the_mean_over_passes():
    frame = pd.DataFrame(
        np.random.default_rng(0).normal(size=(40, 3)), columns=["a", "b", "target"]
    )
    pairs = gal2016.splits_of(40, 2)
    parts = gal2016.parts_of(frame, pairs)
    noise = Dropout(keep_prob=torch.tensor([0.5, 0.7], dtype=torch.float64))
    network = Network([2, 5, 1], seeds=[0, 1], hidden_noise=noise, input_noise=noise)
    taus = torch.tensor([[0.5, 2.0], [1.0, 3.0]], dtype=torch.float64)
    rmse, likelihood = gal2016.sampled(network, parts, [0, 1], taus, samples=7)
    values = []
    for sample in range(7):
        addresses = torch.arange(4) + 4 * sample
        outputs = network(parts.X_other, noise=True, rows=addresses)[..., 0].detach().double()
        values.append(outputs * parts.scale[:, None] + parts.mean[:, None])
    stacked = torch.stack(values)
    expected = (stacked.mean(0) - parts.truth).square().mean(1).sqrt()
    torch.testing.assert_close(rmse, expected)
    for place in range(2):
        tau = taus[:, place, None]
        density = (tau / (2 * math.pi)).sqrt() * (-tau / 2 * (parts.truth - stacked) ** 2).exp()
        torch.testing.assert_close(likelihood[:, place], density.mean(0).log().mean(1))


def test_splits_are_those_of_the_published_script():
    np.random.seed(1)
    for train, test in gal2016.splits_of(21, 3):
        order = np.random.choice(range(21), 21, replace=False)
        assert (train, test) == (order[:19].tolist(), order[19:].tolist())


def test_parts_are_standardized_by_their_own_training_rows():
    frame = pd.DataFrame({"a": np.arange(20.0), "b": 1.0, "target": np.arange(20.0) ** 2})
    parts = gal2016.parts_of(frame, gal2016.splits_of(20, 3))
    torch.testing.assert_close(parts.X.mean(1), torch.zeros(3, 2), atol=1e-6, rtol=0)
    back = parts.y.double() * parts.scale[:, None] + parts.mean[:, None]
    train = gal2016.splits_of(20, 3)[1][0]
    assert back[1].numpy() == pytest.approx(np.array(train) ** 2.0, rel=1e-5, abs=1e-4)
    with pytest.raises(DataError, match="no column 'target'"):
        gal2016.parts_of(frame[["a"]], [])


# -------------------------------------------------------------------------------------- tables


def test_wan_table(npz, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(wan2013, "SIZES", (12, 12))
    out = tmp_path / "out.csv"
    options = ["--mnist", str(npz), "--quick", "--rows", "100", "--seeds", "2", "--out", str(out)]
    options += ["--schedule", "4-1-1", "--run", str(tmp_path / "run")]
    options += ["--activations", "relu", "tanh", "--masks", "example"]
    wan2013.main(options)
    printed = capsys.readouterr().out
    assert "under-trained" in printed
    assert "epochs 10 of 1480" in printed
    assert "| 1.62 |" in printed
    assert "### tanh" in printed
    rows = results.read_rows(out)
    networks = [row for row in rows if row["kind"] == "network" and row["group"] == "relu"]
    assert [(row["column"], row["seed"]) for row in networks] == [
        (column, seed)
        for column in ("none", "dropout", "DropConnect", "DropConnect, mean weights")
        for seed in "01"
    ]
    for row in rows:
        assert row["torch"] == torch.__version__
        assert all(row[name] for name in ("bridle", "python", "machine", "commit", "train_rows"))
    # the printed mean is the networks'
    mean = np.mean([float(row["error"]) for row in networks[:2]])
    assert f"| none, quick | {mean:.2f} ± " in printed
    written = out.read_bytes()
    wan2013.main(options)  # from the checkpoints
    assert out.read_bytes() == written
    assert capsys.readouterr().out == printed
    wan2013.main(["--show", str(out)])
    assert capsys.readouterr().out == printed


def test_srivastava_table_chooses_strengths_on_held_out_rows(npz, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(srivastava2014, "SIZES", (12, 12, 12))
    options = ["--table", "9", "--mnist", str(npz), "--quick", "--rows", "90", "--updates", "20"]
    options += ["--seeds", "1", "--tune", "--out", str(tmp_path / "out.csv")]
    options += [
        "--masks",
        "example",
        "--columns",
        "DropConnect",
        "none",
        "L2",
        "dropout + max-norm",
    ]
    srivastava2014.main(options)
    printed = capsys.readouterr().out
    assert "| 1.05 |" in printed
    assert "steps 20 of 1000000" in printed
    rows = results.read_rows(tmp_path / "out.csv")
    assert {row["strengths_chosen"] for row in rows} == {"on held-out rows"}
    names = ["none", "L2", "dropout + max-norm", "DropConnect"]
    assert list(dict.fromkeys(row["column"] for row in rows)) == names


@pytest.mark.parametrize("figure", [8, 10, 11])
def test_srivastava_figures(figure, npz, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(srivastava_figures, "SIZES", (12, 12, 12))
    monkeypatch.setattr(srivastava_figures, "QUICK_POOL", 100)
    out = tmp_path / "out.csv"
    options = ["--figure", str(figure), "--mnist", str(npz), "--quick", "--rows", "120"]
    options += ["--test-rows", "60", "--updates", "30", "--out", str(out)]
    srivastava2014.main(options)
    printed = capsys.readouterr().out
    assert "under-trained" in printed
    rows = results.read_rows(out)
    if figure == 8:
        assert [row["column"] for row in rows] == ["none"] * 3 + ["dropout"] * 3
        assert all(0 < float(row["zeros"]) < 100 for row in rows)
    elif figure == 10:
        assert [row["size"] for row in rows] == ["100"] * 4
    else:
        groups = {row["k"]: row["groups"] for row in rows}
        assert list(groups) == ["1", "2", "5", "10", "20", "50", "100", "scaled weights"]
        assert [int(count) for count in list(groups.values())[:-1]] == [100, 50, 20, 10, 5, 2, 1]
        assert rows[-1]["low"] < rows[-1]["error"] < rows[-1]["high"]


def test_gal_table(tmp_path, capsys):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(60, 3)), columns=["a", "b", "c"])
    frame["target"] = frame["a"] - frame["b"] + 0.1 * random.normal(size=60)
    frame.to_csv(tmp_path / "boston.csv.gz", index=False)
    names = ("test_MC_rmse_100x_1h", "test_ll_100x_1h")
    reference = pd.DataFrame({"dataset": "bostonHousing", "file": names})
    reference = reference.assign(mean_over_splits=[2.9, -2.4], stderr=0.1, n=20)
    reference.to_csv(tmp_path / gal2016.REFERENCE, index=False)
    options = ["--data", str(tmp_path), "--sets", "boston", "--quick", "--epochs", "40"]
    options += ["--splits", "2", "--out", str(tmp_path), "--run", str(tmp_path)]
    gal2016.main(options)
    printed = capsys.readouterr().out
    assert "| boston, quick: under-trained | 2, 40 |" in printed
    assert "| 2.900 ± 0.209 |" in printed
    rows = results.read_rows(tmp_path / "gal2016-boston-quick.csv")
    assert {float(row["tau"]) for row in rows} <= {0.1, 0.15, 0.2}
    assert all(0 < float(row["mc_rmse"]) < 2 for row in rows)
    with pytest.raises(DataError, match="does not exist"):
        gal2016.main(["--data", str(tmp_path), "--sets", "energy"])
    with pytest.raises(UsageError, match="--data is missing"):
        gal2016.main([])


def test_wrong_options_are_named(npz):
    with pytest.raises(UsageError, match="--schedule is '600'"):
        wan2013.main(["--mnist", str(npz), "--schedule", "600"])
    with pytest.raises(UsageError, match="--mnist is missing"):
        wan2013.main(["--quick"])
    with pytest.raises(UsageError, match="--test-rows is 61"):
        wan2013.main(["--mnist", str(npz), "--quick", "--test-rows", "61", "--rows", "9"])
    with pytest.raises(UsageError, match="--seeds is 0"):
        srivastava2014.main(["--table", "9", "--mnist", str(npz), "--seeds", "0"])
    with pytest.raises(DataError, match="run the benchmark first"):
        wan2013.main(["--show", "nowhere.csv"])
