"""An independent float64 NumPy reference, written from the article's formulas.

It shares no code with bridle: penalties as formulas, a three-layer network with its backward pass
written out, dropout by given masks, and Philox4x32-10 one unit at a time in Python integers.
"""

from __future__ import annotations

import numpy as np

# --------------------------------------------------------------------- penalties


def l2(w, strength):
    """½ λ Σ w², and its gradient λ w."""
    return 0.5 * strength * (w**2).sum(), strength * w


def l1(w, strength):
    """λ Σ |w|, and its (sub)gradient λ sign(w)."""
    return strength * np.abs(w).sum(), strength * np.sign(w)


def elastic_net(w, first, second):
    """λ1 Σ |w| + λ2 Σ w², without a ½."""
    value = first * np.abs(w).sum() + second * (w**2).sum()
    return value, first * np.sign(w) + 2 * second * w


# --------------------------------------------------------------------- the network


def forward(X, weights, biases, masks=None, scale=1.0):
    """Three layers with ReLU; ``masks`` multiply the hidden units, ``scale`` too."""
    hidden = [X]
    for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
        h = hidden[-1] @ W + b
        if layer < len(weights) - 1:
            h = np.maximum(h, 0)
            h = h * (1.0 if masks is None else masks[layer]) * scale
        hidden.append(h)
    return hidden


def cross_entropy(outputs, y):
    """Mean loss over the rows, and its gradient by the outputs."""
    shifted = outputs - outputs.max(1, keepdims=True)
    p = np.exp(shifted)
    p /= p.sum(1, keepdims=True)
    rows = np.arange(len(y))
    loss = -np.log(p[rows, y]).mean()
    p[rows, y] -= 1
    return loss, p / len(y)


def backward(hidden, weights, gradient, masks=None, scale=1.0):
    """The pass that the article leaves out: gradients of weights and biases, last layer first."""
    by_weight, by_bias = [], []
    for layer in reversed(range(len(weights))):
        by_weight.insert(0, hidden[layer].T @ gradient)
        by_bias.insert(0, gradient.sum(0))
        if layer:
            gradient = gradient @ weights[layer].T
            mask = 1.0 if masks is None else masks[layer - 1]
            gradient = gradient * (hidden[layer] > 0) * mask * scale
    return by_weight, by_bias


# --------------------------------------------------------------------- masks

WORD = 0xFFFFFFFF


def philox(counter, key):
    """Salmon et al. 2011: ten rounds, the key raised between rounds."""
    x = list(counter)
    k = list(key)
    for round_number in range(10):
        if round_number:
            k = [(k[0] + 0x9E3779B9) & WORD, (k[1] + 0xBB67AE85) & WORD]
        a = 0xD2511F53 * x[0]
        b = 0xCD9E8D57 * x[2]
        x = [(b >> 32) ^ x[1] ^ k[0], b & WORD, (a >> 32) ^ x[3] ^ k[1], a & WORD]
    return x


def halves(number):
    """Low and high word of a 64-bit number in two's complement."""
    return number & WORD, (number >> 32) & WORD


def keep(seed, stream, step, row, unit, keep_prob):
    """Whether one unit is kept."""
    key = philox((*halves(stream), *halves(step)), halves(seed))[:2]
    group, place = divmod(unit, 128)
    lane, block = divmod(place, 16)
    words = philox((*halves(16 * group + block), *halves(row)), key)
    bits = (words[lane // 2] >> (16 * (lane % 2))) & 0xFFFF
    return bits < max(1, round(keep_prob * 65536))


def mask(seed, stream, step, rows, units, keep_prob):
    """A whole mask as float64 zeros and ones, ``[rows, units]``."""
    return np.array(
        [[keep(seed, stream, step, r, u, keep_prob) for u in range(units)] for r in rows],
        dtype=float,
    )


def word(seed, stream, step, row, unit):
    """The 32-bit word of one unit's number."""
    key = philox((*halves(stream), *halves(step)), halves(seed))[:2]
    group, place = divmod(unit, 64)
    index, block = divmod(place, 16)
    return philox((*halves(16 * group + block), *halves(row)), key)[index]


def uniform(seed, stream, step, row, unit):
    """The uniform number of one unit: exact in double precision."""
    return (word(seed, stream, step, row, unit) + 0.5) / 2**32


def normal(seed, stream, step, row, unit):
    """The normal number of one unit, by Box and Muller, in double precision."""
    group, place = divmod(unit, 64)
    index, block = divmod(place, 16)
    first = 64 * group + 16 * (index - index % 2) + block
    radius = np.sqrt(-2 * np.log(uniform(seed, stream, step, row, first)))
    angle = 2 * np.pi * word(seed, stream, step, row, first + 16) / 2**32
    return radius * (np.sin(angle) if index % 2 else np.cos(angle))
