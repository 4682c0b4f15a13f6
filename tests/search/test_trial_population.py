"""The population of trials × folds: its training, its loss and its evaluation."""

import math

import pytest
import torch
from search_cases import SMALL, configured, make_data, make_population
from torch.nn import functional as F  # noqa: N812

import bridle
from bridle.search import PLAIN, data as search_data
from bridle.search.losses import losses_of


def test_a_member_is_the_same_whatever_it_trains_with():
    data = make_data()
    mine = configured(keep_prob=0.6, mixup=0.5, l1=1e-3, label_smoothing=0.1, class_weight=1.0)
    other = configured(learning_rate=5e-3, input_keep_prob=0.8, drop_connect_keep_prob=0.7)
    alone = make_population(data, [mine], [7])
    together = make_population(data, [other, mine, PLAIN.with_shape(SMALL, 0)], [3, 7, 0])
    for population in (alone, together):
        population.train(20)
    torch.testing.assert_close(
        alone.held_out_outputs()[0], together.held_out_outputs()[1], rtol=1e-4, atol=1e-5
    )


def test_training_is_adam_with_the_proximal_step_on_each_folds_batches():
    data = make_data()
    population = make_population(data, [configured(l1=0.01, l2=0.1, learning_rate=0.01)])
    twin = population.network.take(range(data.folds))
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.01, betas=(0.9, 0.99))
    for _ in range(5):
        rows = population.batches.take(population.step, 1)[0]
        bridle.train_step(
            twin,
            (data.inputs[0][rows], data.y[rows]),
            optimizer=optimizer,
            penalties=[bridle.L1(0.01), bridle.L2(0.1)],
            metric="adaptive",
        )
        population.train(1)
    for ours, expected in zip(population.parameters, twin.parameters(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-5)
    assert any(bool((w == 0).any()) for w in population.network.weights)


def test_the_loss_has_label_smoothing_mixup_and_class_weights():
    data = make_data()
    population = make_population(
        data, [configured(label_smoothing=0.2, mixup=1.0, class_weight=0.5)]
    )
    outputs, y = torch.randn(3, 16, 3), torch.randint(3, (3, 16))
    shares = torch.tensor([0.3, 0.6, 1.0])[:, None]
    found = losses_of(outputs, y, shares, population.smoothing, population.class_weight)
    for v in range(3):
        counts = torch.bincount(data.y[data.rows_of(v)[0]], minlength=3).double()
        weights = ((counts.sum() / (3 * counts)) ** 0.5).float()
        once = F.cross_entropy(outputs[v], y[v], label_smoothing=0.2, reduction="none")
        other = y[v].roll(1)
        twice = F.cross_entropy(outputs[v], other, label_smoothing=0.2, reduction="none")
        share = shares[v, 0]
        expected = share * weights[y[v]] * once + (1 - share) * weights[other] * twice
        # torch leaves class weights out of a smoothed loss in another way than by row
        torch.testing.assert_close(found[v], expected.mean())


def test_every_epoch_of_a_fold_sees_each_of_its_rows_once():
    data = make_data(rows=90)
    population = make_population(data, [configured()])
    seen = []
    for step in range(15):
        population.step = step
        seen.append(population.batches.take(population.step, 1)[0])
    drawn = torch.cat(seen, dim=1)
    for v in range(data.folds):
        rows = data.rows_of(v)[0]
        for epoch in range(4):
            part = drawn[v, epoch * len(rows) : (epoch + 1) * len(rows)]
            assert torch.equal(part.sort().values, rows)


def test_the_average_is_polynomial_decay():
    data = make_data()
    population = make_population(data, [configured(averaging=0.0), configured(averaging=math.inf)])
    seen = []
    for _ in range(6):
        population.train(1)
        seen.append(population.parameters[0].detach().clone())
    folds = data.folds
    mean = torch.stack(seen)[:, :folds].mean(0)
    torch.testing.assert_close(population.average[0][:folds], mean)  # 0 averages all steps evenly
    assert torch.equal(population.average[0][folds:], seen[-1][folds:])


def test_each_row_is_predicted_by_the_member_that_held_it_out(monkeypatch):
    monkeypatch.setattr(search_data, "MAX_SCORED_ROWS", 60)
    data = make_data()
    population = make_population(
        data, [configured(averaging=math.inf), configured(averaging=math.inf)]
    )
    population.train(3)
    found = population.held_out_outputs()
    outputs = bridle.predict(population.network, data.inputs[0]).view(2, data.folds, -1, 3)
    rows = data.scored.nonzero()[:, 0].tolist()
    assert found.shape[1] == len(rows) == 60
    for at, row in enumerate(rows):
        torch.testing.assert_close(found[:, at], outputs[:, data.fold[row], row])


@pytest.mark.parametrize("classes", [0, 3])
def test_max_norm_bounds_every_unit(classes):
    data = make_data(classes=classes)
    population = make_population(data, [configured(max_norm=0.5), configured()])
    population.train(3)
    norms = population.network.weights[1].detach().norm(dim=1)
    assert float(norms[: data.folds].max()) <= 0.5 + 1e-5
    assert float(norms[data.folds :].max()) > 0.5
