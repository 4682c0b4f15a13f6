# /// script
# requires-python = ">=3.10"
# dependencies = ["bitsandbytes==0.50.2", "torch==2.13.0", "numpy"]
# ///
"""Measures the record of bitsandbytes, on a CPU."""

import bitsandbytes.optim as bnb
import probes
import torch
import torch_probes


def coupling(function, size):
    """Compare the drops of a small and of a large weight at a gradient of zero."""
    weights = torch.ones(size)
    weights[0] = 4.0
    after = torch_probes.run(
        lambda p: function(p, lr=0.1, weight_decay=0.1), weights.tolist(), [0.0] * size
    )
    large, small = 4 - after[0], 1 - after[1]
    return "coupled" if abs(large - small) < 0.02 else "decoupled"


def of(function):
    drops = [
        1 - torch_probes.run(lambda p, lr=lr: function(p, lr=lr, weight_decay=0.1), [1.0], [0.0])[0]
        for lr in (0.1, 0.05)
    ]
    return {
        "coupling": coupling(function, 8),
        "coupling_of_8192": coupling(function, 8192),
        "times_lr": abs(drops[0] / drops[1] - 2) < 0.1,
        "default": probes.default(function, "weight_decay"),
        **torch_probes.hit(lambda p: function(p, lr=0.1, weight_decay=0.1)),
    }


probes.report("bitsandbytes", AdamW8bit=of(bnb.AdamW8bit), Adam8bit=of(bnb.Adam8bit))
