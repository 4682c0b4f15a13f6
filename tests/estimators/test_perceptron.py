"""The perceptron's handwritten gradient and matrix products."""

from functools import partial

import pytest
import torch

import bridle
from bridle.estimators.matmul import addmm, matmul
from bridle.estimators.perceptron import OUTPUT_ACTIVATIONS, Masks, Perceptron


@pytest.mark.parametrize("link", sorted(OUTPUT_ACTIVATIONS))
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize(
    "masks",
    [Masks(), Masks(0.5, 0.8, 1.0, 7), Masks(0.7, 1.0, 0.6, 7), Masks(1.0, 1.0, 0.6, 7)],
    ids=str,
)
def test_gradient_is_that_of_autograd(link, activation, masks):
    torch.manual_seed(0)
    network = Perceptron([5, 7, 6, 3], activation, link, torch.float64, "cpu")
    network.flat.copy_(torch.randn_like(network.flat) / 2)
    X, y = torch.randn(9, 5, dtype=torch.float64), torch.rand(9, 3, dtype=torch.float64)
    y = y / y.sum(1, keepdim=True)  # what the softmax's gradient takes for granted
    weight = torch.rand(9, dtype=torch.float64)
    step = 4
    loss = network.step_gradient(X, y, weight, masks, step)

    def noise(kind, keep):
        return kind(keep_prob=keep) if keep < 1 else None

    whole = bridle.Network(
        [5, 7, 6, 3],
        seeds=masks.seed,
        activation=activation,
        dtype=torch.float64,
        hidden_noise=noise(bridle.Dropout, masks.keep_prob),
        input_noise=noise(bridle.Dropout, masks.input_keep_prob),
        weight_noise=noise(bridle.DropConnect, masks.drop_connect_keep_prob),
    )
    with torch.no_grad():
        for to, value in zip(whole.weights, network.weights, strict=True):
            to.copy_(value[None])
        for to, value in zip(whole.biases, network.biases, strict=True):
            to.copy_(value[None, None])
        whole.steps.fill_(step)
    scores = whole(X, noise=True)[0]
    torch.testing.assert_close(network.noisy_scores(X, masks, step)[0], scores.detach())
    rows = network.losses(scores, y)
    torch.testing.assert_close(loss, rows.detach().dot(weight) / weight.sum())
    times = 3 if link == "identity" else 1  # the mean over the outputs, and the gradient of the sum
    (times * rows.dot(weight) / weight.sum()).backward()
    expected = [p.grad.flatten() for p in (*whole.weights, *whole.biases)]
    torch.testing.assert_close(network.gradient, torch.cat(expected))


@pytest.mark.parametrize("links", [5, 500])
def test_large_products_equal_torchs(links):
    """Products by oneDNN (where it is used) in every layout that training uses."""
    X, W, d = torch.randn(400, links), torch.randn(links, 60), torch.randn(400, 60)
    out = torch.empty(links, 60)
    bias = torch.randn(60)
    close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-4)
    close(matmul(X, W), X @ W)
    close(matmul(X.t(), d, out=out), X.t() @ d)
    close(out, X.t() @ d)
    close(matmul(d, W.t()), d @ W.t())
    close(addmm(bias, X, W), X @ W + bias)
