"""Embeddings of numbers in a search: its space, its networks, and the model that it returns."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from search_cases import a_table, configured, make_data, make_population

import bridle
from bridle import Network
from bridle.diagnosis.importance import importance_of_columns
from bridle.diagnosis.subjects import shuffled_labels, subsets
from bridle.errors import UsageError
from bridle.models.ablation import ablate
from bridle.models.audit import audit_model
from bridle.models.container import read_container
from bridle.models.stored import _built as plain_predictor
from bridle.search import PLAIN, Configuration, Space, configuration
from bridle.search.embedded import MOST_NUMBERS, can_embed, same_shape
from bridle.search.final_model import network_of
from bridle.search.plan import _bytes_of
from bridle.search.trial import Trial

SEARCH = {
    "configurations": 4,
    "epochs": 4,
    "hidden": [(8, 8)],
    "folds": 2,
    "seed": 1,
    "embeddings": True,
}


def test_some_configurations_are_embedded_and_the_rest_is_sampled_as_before():
    space = Space(bins=(0, 16), embeds=True)
    random, other = np.random.default_rng(0), np.random.default_rng(0)
    first = space.sample(random)
    assert replace(first, embedding=0.0) == Space(bins=(0, 16)).sample(other)
    sampled = [space.sample(random) for _ in range(300)]
    on = [each.embedding for each in sampled if each.embedding]
    assert abs(len(on) / 300 - configuration.EMBEDDED) < 0.1
    low, high = configuration.DEVIATIONS
    assert low <= min(on) < 2 * low < high / 2 < max(on) <= high
    assert {each.shape for each in sampled} == {each.shape for each in space.configurations}
    assert not any(Space(bins=(0, 16)).sample(random).embedding for _ in range(20))
    assert [can_embed(each) for each in (0, 1, MOST_NUMBERS, MOST_NUMBERS + 1)] == [0, 1, 1, 0]


def test_a_configuration_is_read_as_it_was_written_and_earlier_ones_have_no_embedding():
    mine = configured(embedding=0.4)
    assert Configuration.from_dict(mine.to_dict()) == mine
    earlier = mine.to_dict()
    del earlier["embedding"]
    assert Configuration.from_dict(earlier).embedding == 0
    assert mine.with_shape((4,), 16, True).embedding == 0.4
    assert mine.with_shape((4,), 16).embedding == 0
    assert PLAIN.with_shape((4,), 0, True).embedding > 0


def test_trials_with_and_without_become_one_population_that_predicts_as_they_do():
    data = replace(make_data(), numbers=4)
    X = data.inputs[0]
    data = replace(data, inputs={0: X, 16: torch.cat([X, X.square()], 1)})
    kinds = (
        configured(bins=16, embedding=0.3, input_keep_prob=0.9),
        configured(bins=0, embedding=0.5),
        configured(bins=16),
        configured(bins=0),
    )
    trials, expected = [], []
    for number, kind in enumerate(kinds):
        population = make_population(data, [kind], [number])
        population.train(4)
        population.keep_best([0])
        state = {f"best.{at}": value.numpy() for at, value in enumerate(population.best)}
        trials.append(Trial(number, kind, 0, [4], [1.0], [0.0], state=state))
        with population.averaged_weights() as network, torch.no_grad():
            expected.append(network(population.X, noise=False))
    joined = network_of(data, trials, 16)
    found = bridle.predict(joined, data.inputs[16])
    torch.testing.assert_close(found, torch.cat(expected))
    without = network_of(data, trials[2:], 16)
    assert without.embedding is None
    torch.testing.assert_close(bridle.predict(without, data.inputs[16]), torch.cat(expected[2:]))


def test_a_search_that_an_earlier_version_began_goes_on_without_embeddings(tmp_path):
    without = {key: value for key, value in SEARCH.items() if key != "embeddings"}
    began = bridle.search(a_table(), "y", directory=tmp_path / "run", **without)
    assert json.loads((tmp_path / "run" / "plan.json").read_text())["format"] == 1
    (tmp_path / "run" / "result.json").unlink()
    again = {"directory": tmp_path / "run", "resume": True}
    with pytest.raises(UsageError, match=r"embeddings is True, but the search in .* has False"):
        bridle.search(a_table(), "y", **again, **SEARCH)
    resumed = bridle.search(a_table(), "y", **again, **without)
    assert resumed.configurations.equals(began.configurations)


def test_what_cannot_be_embedded_is_refused():
    words = a_table()[["y"]].assign(word=lambda table: np.where(table.index % 3, "a", "b"))
    with pytest.raises(UsageError, match=r"the table has 0 numerical features; .* from 1 to 32"):
        bridle.search(words, "y", **SEARCH)
    with pytest.raises(UsageError, match="networks that share weights have no embeddings"):
        bridle.search(a_table(), "y", shared_members=2, **SEARCH)


def test_one_shape_pads_what_is_missing_with_zeros():
    plain = [torch.ones(1, 2, 3), torch.ones(1, 1, 3)]
    shapes = [(1, 4, 3), (1, 1, 3), (1, 2, 5), (1, 2, 1, 1)]
    embedded = [torch.ones(shape) for shape in shapes]
    found = same_shape([plain, embedded], 1, 3)
    assert [[list(each.shape) for each in own] for own in found] == 2 * [
        [[1, 5, 3], [1, 1, 3], [1, 2, 5], [1, 2, 1, 1]]
    ]
    assert [int(own[0][0, :, 0].sum()) for own in found] == [2, 4]
    assert found[1][0][0, :, 0].tolist() == [1, 1, 0, 1, 1]
    assert not found[0][2].any()


def test_the_plan_reserves_memory_for_an_embedding():
    data = replace(make_data(), numbers=4)
    training, waiting = _bytes_of(data, configured())
    more, more_waiting = _bytes_of(data, configured(embedding=0.3))
    parameters = 4 * (16 * 5 + 3) + 12 * 16
    assert more_waiting == waiting + data.folds * parameters * 20
    assert more > training + data.folds * parameters * 4 * 9


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A search all of whose configurations are embedded, in a directory of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(configuration, "EMBEDDED", 1.0)
        folder = tmp_path_factory.mktemp("run") / "run"
        result = bridle.search(a_table(), "y", directory=folder, **SEARCH)
        again = bridle.search(a_table(), "y", directory=folder, resume=True, **SEARCH)
        refit = bridle.search(a_table(), "y", answer="refit", **SEARCH)
    return result, again, refit


def test_a_search_embeds_and_says_so(found):
    result, again, refit = found
    assert (result.configurations["embedding"] > 0).sum() == 3  # the unregularized one has none
    assert result.configuration.embedding > 0
    assert result.model.network.embedding.shape == (4, 16, 3)
    assert "of 4 numbers" in str(result.model)
    for other in (again, refit):
        assert other.configurations.equals(result.configurations)
    assert again.model.predict(a_table()).equals(result.model.predict(a_table()))
    assert refit.model.network.embedding.shape == (4, 16, 3)


def test_a_model_file_has_the_embedding(found, tmp_path):
    model, table = found[0].model, a_table(seed=5)
    path = tmp_path / "model.bridle"
    bridle.save_model(model, path)
    expected = model.predict(table)
    loaded = bridle.load(path)
    assert loaded.predict(table).equals(expected)
    for ours, theirs in zip(
        loaded.network.state_dict().values(), model.network.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs)
    plain = plain_predictor(*read_container(Path(path))).predict(table)
    assert plain["prediction"].equals(expected["prediction"])
    for name in expected.columns[1:]:
        np.testing.assert_allclose(plain[name], expected[name], atol=1e-6)


def test_a_file_whose_embedding_does_not_fit_is_refused(found):
    from bridle.models.file import from_state, state_of

    document, tensors = state_of(found[0].model)
    document["network"]["embedding"] = {"numbers": 3, "waves": 16, "outputs": 3}
    with pytest.raises(ValueError, match=r"the embedding has the shape \[\d+, 4, 16, 3\]"):
        from_state(document, tensors)
    with pytest.raises(ValueError, match="layer 0 has the shape"):
        from_state(document | {"network": document["network"] | {"embedding": None}}, tensors)


def test_an_exported_model_predicts_the_same(found):
    onnxruntime = pytest.importorskip("onnxruntime")
    model, table = found[0].model, a_table(seed=5)
    session = onnxruntime.InferenceSession(model.to_onnx().SerializeToString())
    feeds = {
        each.name: table[each.name].to_numpy(float)
        if each.type == "tensor(double)"
        else table[each.name].fillna("").to_numpy(object)
        for each in session.get_inputs()
    }
    labels, shares = session.run(None, feeds)
    expected = model.predict(table)
    assert labels.tolist() == expected["prediction"].tolist()
    np.testing.assert_allclose(shares, expected.filter(like="prob").to_numpy(), atol=1e-6)


def test_networks_that_are_trained_again_for_a_model_are_embedded(found, monkeypatch):
    model, built, plain = found[0].model, [], Network

    def recorded(*arguments, **options):
        built.append(plain(*arguments, **options))
        return built[-1]

    monkeypatch.setattr(subsets, "Network", recorded)
    monkeypatch.setattr(shuffled_labels, "Network", recorded)
    curve = {"training": a_table(), "repeats": 2, "steps": 2}
    bridle.learning_curve(model, a_table(seed=5), **curve)
    bridle.diagnose(found[0], a_table(), reference=False, shuffled_labels=True, masks=0)
    assert len(built) == 2
    assert all(each.embedding.shape == model.network.embedding.shape for each in built)


def test_an_average_is_trained_again_with_the_embedding_of_its_best_configuration(
    found, monkeypatch
):
    """Its network embeds numbers if one of the configurations does."""
    own = found[0].model
    recipe = {**own.facts["recipe"], "embedding": {"numbers": 4, "deviation": 0.25}}
    best_has_none = {name: value for name, value in recipe.items() if name != "embedding"}
    built, plain = [], Network
    monkeypatch.setattr(
        subsets, "Network", lambda *a, **options: built.append(plain(*a, **options)) or built[-1]
    )
    curve = {"training": a_table(), "repeats": 2, "steps": 1}
    for each in (best_has_none, recipe):
        facts = {**own.facts, "recipe": each}
        model = bridle.TableModel(own.network, own.encoder, own.target, own.target_name, facts)
        built.append(ablate(model, a_table(), rows=30, steps=1, factors=(1.0,)).population)
        bridle.learning_curve(model, a_table(seed=5), **curve)
    weights = model.network.embedding.weight
    some = model.network.take(range(model.network.members))
    some.embedding.weight.data[0] = 0
    kinds = [{"bins": 0, "embedding": 0.2}, {"bins": 16, "embedding": 0.0}]
    facts = {**own.facts, "together": kinds}
    mixed = str(bridle.TableModel(some, own.encoder, own.target, own.target_name, facts))
    assert f"of 4 numbers, in {len(weights) - 1} of {len(weights)} networks" in mixed
    assert "%, with those of inputs that some networks lack" in mixed
    assert "lack" not in str(own)
    assert [each.embedding for each in built[:2]] == [None, None]
    assert [set(each.embedding.deviation.tolist()) for each in built[2:]] == [{0.25}, {0.25}]


def test_what_takes_a_model_apart_keeps_the_embedding(found, tmp_path):
    result = found[0]
    model, table = result.model, a_table()
    own = model.network.embedding
    assert torch.equal(model.network.take([1]).embedding.frequencies[0], own.frequencies[1])
    X = model.encoder.transform(table)
    y = model.target.transform(table["y"])
    importance = importance_of_columns(model, "training", X, y)
    assert {each.name for each in importance.columns} == set("abcd") | {"town"}
    assert audit_model(model, table).findings is not None
    assert (
        ablate(model, table, rows=30, steps=1, factors=(1.0,)).population.embedding.shape
        == own.shape
    )
    path = tmp_path / "report.html"
    bridle.write_report(result, path)
    assert "embedding of numbers" in path.read_text(encoding="utf-8")
