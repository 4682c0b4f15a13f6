"""Dead units and dead inputs of linear layers, convolutions, norms and pools."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from compaction_helpers import IMAGE, check, cnn, example_for, inputs, kill, mlp, randomized, units
from torch import nn

from bridle.sparsity.compaction import Select


def test_units_that_nothing_reads_go():
    model = mlp(6, 10, 8, 3)
    kill(model[2], outgoing_of=[0, 3, 9])
    kill(model[4], outgoing_of=[5])
    compacted = check(model, example_for(model, 4, 6))
    assert units(compacted) == {"0": 7, "2": 7, "4": 3}
    assert inputs(compacted) == {"0": 6, "2": 7, "4": 7}
    assert compacted.kept == ("layer '4' keeps its 3 units: the model returns them",)
    assert compacted.model[0].out_features == compacted.model[2].in_features == 7


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.GELU, nn.Softplus, nn.Tanh, nn.ReLU])
def test_constant_units_are_folded_into_the_next_bias(activation, bias):
    """A bias is made where there was none, and it takes gradients as the weights do."""
    model = randomized(nn.Sequential(nn.Linear(5, 7), activation(), nn.Linear(7, 3, bias=bias)))
    kill(model[0], incoming_of=[1, 2, 6])
    compacted = check(model, example_for(model, 4, 5))
    assert units(compacted) == {"0": 4, "2": 3}
    assert compacted.model[2].bias.requires_grad


def test_a_unit_may_be_dead_either_way_at_each_pixel():
    model = cnn()
    with torch.no_grad():
        model[4].weight[2] = 0  # constant: its pixels are folded, or not read at all
        model[8].weight[:, 8:10] = 0
    assert units(check(model, example_for(model, 2, *IMAGE)))["4"] == 5


def test_death_spreads_upstream_and_downstream():
    model = mlp(4, 6, 5, 4, 2)
    kill(model[6], outgoing_of=[0, 1])  # the last hidden layer's
    with torch.no_grad():
        model[4].weight[2:, 3:] = 0  # only its dead units read these
        model[2].weight[:3, 0] = 0
        model[0].weight[1:3] = 0  # constants
        model[2].weight[2, [0, 3, 4, 5]] = 0  # reads constants only
    assert units(check(model, example_for(model, 3, 4))) == {"0": 3, "2": 2, "4": 2, "6": 2}


def test_zero_gamma_is_a_dead_channel():
    model = cnn()
    with torch.no_grad():
        model[1].weight[[0, 4]] = 0
        model[5].weight[3] = 0
    compacted = check(model, example_for(model, 2, *IMAGE))
    assert units(compacted) == {"0": 6, "4": 5, "8": 5}
    assert compacted.model[1].num_features == len(compacted.model[1].running_var) == 6
    assert inputs(compacted)["8"] == 20


@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_without_running_statistics(affine):
    norm = nn.BatchNorm1d(6, affine=affine, track_running_stats=False)
    model = randomized(nn.Sequential(nn.Linear(4, 6), norm, nn.Tanh(), nn.Linear(6, 2)))
    kill(model[3], outgoing_of=[0])
    kill(model[0], incoming_of=[0, 1])
    compacted = check(model, example_for(model, 5, 4))
    assert units(compacted)["0"] == 5
    assert "layer '0' keeps 1 dead unit: '1' makes constants vary" in compacted.kept


def test_batch_norm_behind_flatten():
    model = randomized(
        nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.BatchNorm1d(256), nn.Linear(256, 3)
        )
    )
    kill(model[0], incoming_of=[1])
    kill(model[3], outgoing_of=range(128, 192))
    compacted = check(model, example_for(model, 2, *IMAGE))
    assert units(compacted)["0"] == 2
    assert compacted.model[2].num_features == 128


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Sigmoid])
def test_all_units_dead_leave_one_that_is_zero(activation):
    model = mlp(4, 6, 5, 3, activation=activation)
    kill(model[2], incoming_of=range(5))
    compacted = check(model, example_for(model, 3, 4))
    assert units(compacted) == {"0": 1, "2": 1, "4": 3}
    assert inputs(compacted)["0"] == 1
    assert "layer '2' keeps 1 unit, all zero: a layer has at least one" in compacted.kept
    again = check(compacted.model, example_for(model, 3, 4))
    assert again.parameters_after == compacted.parameters_after


def test_all_outputs_of_a_convolution_dead():
    model = cnn()
    kill(model[8], outgoing_of=range(24))
    assert units(check(model, example_for(model, 2, *IMAGE))) == {"0": 1, "4": 1, "8": 5}


def test_nothing_dead_changes_nothing():
    model = mlp(4, 6, 3)
    compacted = check(model, example_for(model, 3, 4))
    assert compacted.parameters_before == compacted.parameters_after
    assert list(compacted.model.state_dict()) == list(model.state_dict())


def test_constants_that_are_not_finite_stay():
    model = mlp(4, 6, 3)
    kill(model[0], incoming_of=[1])
    with torch.no_grad():
        model[0].bias[1] = torch.inf
    compacted = check(model, example_for(model, 3, 4))
    assert "layer '0' keeps 1 dead unit: the constants are not finite" in compacted.kept


def test_dead_inputs_are_selected_away():
    model = mlp(6, 5, 2)
    kill(model[0], outgoing_of=[0, 4])
    compacted = check(model, example_for(model, 3, 6))
    assert compacted.layers[0].dead_inputs == (0, 4)
    assert compacted.layers[0].inputs_after == 4
    select, layer = compacted.model[0]
    assert isinstance(select, Select)
    assert select.index.tolist() == [1, 2, 3, 5]
    assert layer.in_features == 4
    assert "4 entries" in repr(compacted.model)


def test_dead_input_channels_and_pixels():
    model = cnn()
    kill(model[0], outgoing_of=[1])
    compacted = check(model, example_for(model, 2, *IMAGE))
    assert inputs(compacted)["0"] == 2
    flat = randomized(nn.Sequential(nn.Flatten(), nn.Linear(192, 3)))
    kill(flat[1], outgoing_of=range(100))
    assert inputs(check(flat, example_for(flat, 2, *IMAGE)))["1"] == 92


def test_all_inputs_dead_leave_one():
    model = mlp(6, 5, 2)
    kill(model[0], outgoing_of=range(6))
    compacted = check(model, example_for(model, 3, 6))
    assert compacted.layers[0].dead_inputs == tuple(range(6))
    assert inputs(compacted) == {"0": 1, "2": 1}


def test_a_single_layer_is_a_model():
    model = randomized(nn.Linear(6, 3))
    kill(model, outgoing_of=[2])
    compacted = check(model, example_for(model, 4, 6))
    assert [type(module) for module in compacted.model] == [Select, nn.Linear]
    assert compacted.kept == ("the model keeps its 3 units: the model returns them",)


def test_a_padded_convolution_folds_constants_of_zero_only():
    model = cnn(padding=1)
    with torch.no_grad():
        model[1].weight[[0, 1, 2]] = 0
        model[1].bias[0] = -1.0  # ReLU makes 0 of it
        model[1].bias[[1, 2]] = 1.0
    compacted = check(model, example_for(model, 2, *IMAGE))
    assert units(compacted)["0"] == 7
    why = "layer '0' keeps 2 dead units: layer '4' pads with zeros, and the constants are not 0"
    assert why in compacted.kept


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_other_paddings_keep_a_constant_constant(mode):
    model = cnn(padding=1, padding_mode=mode)
    kill(model[0], incoming_of=[3, 5])
    assert units(check(model, example_for(model, 2, *IMAGE)))["0"] == 6


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name(padding):
    model = cnn(padding=padding)
    kill(model[0], incoming_of=[3])
    with torch.no_grad():
        model[1].bias[3], model[1].running_mean[3] = 5.0, 0.0
    compacted = check(model, example_for(model, 2, *IMAGE))
    assert units(compacted)["0"] == (8 if padding == "same" else 7)


@pytest.mark.parametrize(
    ("pool", "left"),
    [
        (nn.MaxPool2d(3, stride=2, padding=1), 7),
        (nn.AvgPool2d(2), 7),
        (nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False), 7),
        (nn.AvgPool2d(3, stride=2, padding=1), 8),
        (nn.AvgPool2d(2, divisor_override=3), 8),
        (nn.AvgPool2d(3, stride=2, ceil_mode=True), 7),
        (nn.AdaptiveAvgPool2d(4), 7),
        (nn.AdaptiveMaxPool2d((4, 4)), 7),
    ],
    ids=str,
)
def test_pools(pool, left):
    model = cnn(pool)
    kill(model[0], incoming_of=[3])
    with torch.no_grad():
        model[1].bias[3], model[1].running_mean[3] = 5.0, 0.0
    assert units(check(model, example_for(model, 2, *IMAGE)))["0"] == left


def test_a_pool_that_returns_places_is_a_barrier():
    class Pooled(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)

        def forward(self, x):
            pooled, _ = F.max_pool2d(self.conv(x), 2, return_indices=True)
            return self.last(pooled)

    model = randomized(Pooled())
    kill(model.conv, incoming_of=[0])
    assert units(check(model, example_for(model, 2, *IMAGE)))["conv"] == 4
