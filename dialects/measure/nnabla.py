# /// script
# requires-python = "==3.9.*"
# dependencies = ["nnabla==1.39.0", "numpy<2"]
# ///
"""Measures the record of nnabla."""

import nnabla as nn
import nnabla.functions as F
import nnabla.solvers as S
import numpy as np
import probes


def train(values, rate):
    x = nn.Variable.from_numpy_array(np.array([values], "f"))
    y = F.dropout(x, rate)
    y.forward()
    return y.d[0].tolist()


def run(solver, weights, gradients, steps=1, hook=None):
    weight = nn.Variable.from_numpy_array(np.array(weights, "f"), need_grad=True)
    solver.set_parameters({"w": weight})
    for _ in range(steps):
        weight.g = np.array(gradients, "f")
        if hook is not None:
            solver.weight_decay(hook)
        solver.update()
    return weight.d.tolist()


def stepper(make, hooked):
    def step(weights, gradients, lr, decay, steps):
        if hooked:
            return run(make(lr), weights, gradients, steps, decay)
        return run(make(lr, decay), weights, gradients, steps)

    return step


def lost():
    """Call weight_decay before the gradient is set."""
    solver = S.Sgd(0.1)
    weight = nn.Variable.from_numpy_array(np.ones(1, "f"), need_grad=True)
    solver.set_parameters({"w": weight})
    solver.weight_decay(0.5)
    solver.zero_grad()
    solver.update()
    return float(weight.d[0]) == 1.0


momentum = stepper(S.Momentum, hooked=True)
adam = stepper(S.Adam, hooked=True)
adamw = stepper(lambda lr, wd: S.AdamW(lr, wd=wd), hooked=False)
sgdw = stepper(lambda lr, wd: S.SgdW(lr, wd=wd), hooked=False)
overridden = run(S.AdamW(0.1, wd=0.5), [1.0], [0.0], hook=0.0)
probes.report(
    "nnabla",
    dropout={
        **probes.dropout(train, None),
        "default": probes.default(F.dropout, "p"),
        "fresh": "active" if 0.0 in train([1.0] * 200, 0.5) else "inactive",
        "value_at_rate_zero": train([1.0], 0.0)[0],
    },
    weight_decay={
        **probes.decay(momentum),
        "through_Adam": probes.decay(adam, True)["coupling"],
        "is_lost_before_zero_grad": lost(),
    },
    AdamW={
        **probes.decay(adamw, True),
        "method_overrides_constructor": overridden[0] == 1.0,
    },
    SgdW=probes.decay(sgdw),
)
