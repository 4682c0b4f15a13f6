"""Inverted dropout predicts faster, because it needs no scaling at prediction.

Run ``python prediction_time.py [FIGURE]``. Both networks give the same scores. They take turns, so
that a change in the machine's speed affects both. The script measures processor time.
"""

import time

import numpy as np
import torch
from common import BLUE, RED, axes, conclude, digits, save

from bridle import Dropout, Network, predict

print("claim: inverted dropout predicts faster than classic dropout")
torch.set_num_threads(1)
X = digits().X_test
classic = Network([64, 256, 256, 10], hidden_noise=Dropout(keep_prob=0.5, scaling="classic"))
networks = {"classic": classic, "inverted": classic.with_scaling("inverted")}
times = {name: [] for name in networks}
for turn in range(510):
    for name in list(networks)[:: 1 if turn % 2 else -1]:  # each goes first equally often
        start = time.process_time()
        predict(networks[name], X)
        if turn >= 10:  # the first ten warm the caches
            times[name].append(1e3 * (time.process_time() - start))

classic_ms, inverted_ms = (np.array(times[name]) for name in networks)
ratios = classic_ms / inverted_ms
again = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))  # the bootstrap
low, high = np.percentile(np.median(again, axis=1), [2.5, 97.5])
print(f"classic, median of {len(ratios)} rounds: {np.median(classic_ms):.3f} ms")
print(f"inverted, median of {len(ratios)} rounds: {np.median(inverted_ms):.3f} ms")
print(f"time, classic divided by inverted: {np.median(ratios):.3f} ({low:.3f} to {high:.3f})")
print(f"rows: {len(X)}")
conclude(low > 1)

figure, axis = axes(1, width=5)
top = np.percentile(classic_ms, 95)
bins = np.linspace(min(classic_ms.min(), inverted_ms.min()), top, 40)
for name, color, hatch in (("classic", BLUE, ""), ("inverted", RED, "///")):
    axis.hist(times[name], bins, color=color, alpha=0.5, hatch=hatch, edgecolor=color, label=name)
axis.set(xlabel=f"milliseconds for {len(X)} rows", ylabel="rounds")
axis.legend(frameon=False)
save(figure, __file__)
