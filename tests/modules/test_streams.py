"""Streams of noises: which masks a model, its parts and its copies draw."""

import copy
import threading

import pytest
import torch
from places_helpers import (
    DROP,
    Together,
    X,
    by_hand,
    check_noise,
    net,
    part,
    parts_joined,
    streams_of,
    two_calls,
    undone_other,
)
from regularize_helpers import adam
from torch import nn

import bridle
from bridle.errors import RegularizationWarning, UsageError

L2 = bridle.L2(0.1)


def test_the_third_call_takes_the_stream_that_is_free():
    model = nn.Sequential(*[nn.ReLU() for _ in range(3)])
    first, second = (bridle.regularize(model, {name: DROP}) for name in "01")
    first.undo()
    third = bridle.regularize(model, {"2": DROP})
    x = torch.ones(4, 64)
    assert not torch.equal(model[1](x), model[2](x))
    assert streams_of([second, third]) == [1, 0]


def test_programs_that_are_run_again_have_equal_masks():
    """A model that is built and regularized again is an independent one, with streams from 0."""
    for _ in range(2):
        model, receipts = two_calls()
        check_noise(model, (0, 1))
        assert streams_of(receipts) == [0, 1]


def test_parts_that_meet_in_a_loss_only_are_refused():
    encoder, decoder = part(5), part(16)
    for model in (encoder, decoder):
        bridle.regularize(model, {"1": DROP})
    with pytest.raises(UsageError, match="have the same masks"):
        decoder(encoder(X)).sum().backward()
    others = part(5), part(16)
    for seed, model in enumerate(others):
        bridle.regularize(model, {"1": DROP}, seed=seed)
    others[1](others[0](X)).sum().backward()
    for model in others:  # each in a pass of its own, as in independent fits
        model(torch.randn(6, model[0].in_features)).sum().backward()


def test_compiled_parts_that_are_joined_have_masks_of_their_own():
    model, receipts = parts_joined()
    run = torch.compile(model, backend="aot_eager", fullgraph=True)
    for step in range(2):
        assert torch.allclose(run(X), by_hand(net(), (0, 1), step))
    assert streams_of(receipts) == [0, 1]


def test_a_copy_in_evaluation_changes_no_masks():
    """As that of an average of the weights, or of a teacher."""
    model, receipts = two_calls()
    model(X)
    teacher = copy.deepcopy(model).eval()
    output = Together(teacher, model)(X)[1]
    assert torch.equal(output, by_hand(net(), (0, 1), step=1))
    assert streams_of(receipts) == [0, 1]


def test_models_in_threads_have_the_masks_of_independent_fits():
    models = [net() for _ in range(4)]  # torch's generator, which threads share, draws the weights
    found = {}

    def fit(number):
        model = models[number]
        for name in ("0.1", "1.1"):
            bridle.regularize(model, {name: DROP})
        found[number] = [model(X) for _ in range(20)]

    threads = [threading.Thread(target=fit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = [by_hand(net(), (0, 1), step) for step in range(20)]
    assert sorted(found) == [0, 1, 2, 3]
    for outputs in found.values():
        assert all(torch.equal(a, b) for a, b in zip(outputs, expected, strict=True))


def test_l2_on_the_same_module_in_two_calls_is_warned_of():
    model = net()
    optimizer = adam(model)
    bridle.regularize(model[0], {"0": L2}, optimizer=optimizer)
    with pytest.warns(RegularizationWarning, match="penalized twice"):
        bridle.regularize(model, {"0.0": L2}, optimizer=optimizer)


def test_a_resumed_run_has_the_streams_that_an_undo_left():
    model, receipts = undone_other()
    model(X)
    state = receipts[0].state_dict()
    assert state == {"after 1.1": 1, "stream after 1.1": 1}
    again = net()
    receipt = bridle.regularize(again, {"1.1": DROP})
    receipt.load_state_dict(state)
    assert torch.equal(again(X), model(X))
    old = {"after 1.1": 1}  # a checkpoint of a first call has no streams
    receipt.load_state_dict(old)
    assert streams_of([receipt]) == [0]
