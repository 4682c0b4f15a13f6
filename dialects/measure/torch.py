# /// script
# requires-python = ">=3.10"
# dependencies = ["torch==2.13.0", "numpy"]
# ///
"""Measures the record of PyTorch."""

import math

import probes
import torch
import torch.nn.functional as F
import torch_probes
from torch import nn, optim
from torch_probes import run


def functional(values, rate):
    return F.dropout(torch.tensor(values), rate).tolist()


def channels(make, shape):
    """Whether whole channels are dropped, and how."""
    x = make(0.5)(torch.ones(shape)).flatten(2)
    return "channels" if bool((x == x[:, :, :1]).all()) else "all"


def muon():
    step = lambda w, g, lr, wd, steps: run(
        lambda p: optim.Muon(p, lr, weight_decay=wd), [w], [g], steps
    )[0]
    found = probes.decay(step, True)
    found.pop("step")
    vector = probes.attempt(lambda: optim.Muon([nn.Parameter(torch.ones(2))]))
    return found | {
        "default": probes.default(optim.Muon, "weight_decay"),
        "vectors": "refused" if isinstance(vector, str) else "accepted",
    }


def radam():
    """It rescales after five steps only, so that many small steps are compared."""
    make = lambda p: optim.RAdam(p, 1e-3, weight_decay=0.1)
    one, four = run(make, [1.0, 4.0], [0.0, 0.0], 200)
    coupled = abs((1 - one) / (4 - four) - 1) < 0.1
    return {
        **torch_probes.hit(lambda p: optim.RAdam(p, 0.1, weight_decay=0.1)),
        "default": probes.default(optim.RAdam, "weight_decay"),
        "coupling": "coupled" if coupled else "decoupled",
        "adaptive": coupled,
        "times_lr": True,
    }


def lambd(weights, gradients, lr, decay, steps):
    return run(lambda p: optim.ASGD(p, lr, lambd=decay), weights, gradients, steps)


def loaded():
    weight = torch.ones(1, requires_grad=True)
    source = optim.AdamW([weight])
    target = optim.Adam([weight])
    target.load_state_dict(source.state_dict())
    return target.param_groups[0]["decoupled_weight_decay"]


def switched(weights, gradients, lr, decay, steps):
    make = lambda p: optim.AdamW(
        [{"params": p, "decoupled_weight_decay": False}], lr, weight_decay=decay
    )
    return run(make, weights, gradients, steps)


def idle():
    weight = torch.ones(1, requires_grad=True)
    optim.SGD([weight], 0.1, weight_decay=0.1).step()
    return "no_decay" if float(weight) == 1 else "decay"


def attention(training):
    query = torch.ones(1, 1, 400, 1)
    layer = nn.Identity().train(training)
    layer(query)
    return F.scaled_dot_product_attention(query, query, query, dropout_p=0.5)


def embedding():
    table = nn.Embedding(2, 2, max_norm=1.0)
    nn.init.constant_(table.weight, 5.0)
    table(torch.tensor([0]))
    return table.weight.norm(dim=1).tolist()


def integers():
    layer = nn.Dropout(0.5)
    trained = probes.attempt(lambda: layer(torch.ones(4, dtype=torch.int64)))
    evaluated = probes.attempt(lambda: layer.eval()(torch.ones(4, dtype=torch.int64)))
    if isinstance(trained, str):
        return "refused" if isinstance(evaluated, str) else "refused_in_training"
    return "accepted"


missing = nn.Dropout(0.9)(torch.full((50,), math.nan))
low = nn.Dropout(0.3)(torch.ones(1000, dtype=torch.bfloat16)).max()
alpha = nn.AlphaDropout(1.0)(torch.ones(4))
first, second = embedding()
probes.report(
    "torch",
    Dropout=torch_probes.dropout(nn.Dropout)
    | {
        "default": probes.default(nn.Dropout.__init__, "p"),
        "mask_axes": channels(nn.Dropout, (4, 8, 16)),
        "nan_stays": bool(missing.isnan().all()),
        "integers": integers(),
        "bfloat16_at_0_3": round(float(low), 4),
    },
    Dropout1d=torch_probes.dropout(nn.Dropout1d, lambda x: x.reshape(1, -1, 1))
    | {"mask_axes": channels(nn.Dropout1d, (4, 8, 16))}
    | {"default": probes.default(nn.Dropout1d.__init__, "p")},
    Dropout2d=torch_probes.dropout(nn.Dropout2d, lambda x: x.reshape(1, -1, 1, 1))
    | {"mask_axes": channels(nn.Dropout2d, (4, 8, 4, 4))}
    | {"default": probes.default(nn.Dropout2d.__init__, "p")},
    AlphaDropout={
        "default": probes.default(nn.AlphaDropout.__init__, "p"),
        "fresh": "active"
        if bool((nn.AlphaDropout(0.5)(torch.ones(99)) != 1).any())
        else "inactive",
        "prediction": "identity"
        if bool((nn.AlphaDropout(0.5).eval()(torch.ones(99)) == 1).all())
        else "other",
        "rate_one": "zeros" if not bool(alpha.any()) else "other",
    },
    functional_dropout=probes.dropout(functional, functional)
    | {
        "default": probes.default(F.dropout, "p"),
        "fresh": "active" if 0.0 in functional([1.0] * 500, 0.5) else "inactive",
    },
    functional_alpha_dropout={
        "default": probes.default(F.alpha_dropout, "p"),
        "fresh": "active"
        if bool((F.alpha_dropout(torch.ones(99), 0.5) != 1).any())
        else "inactive",
    },
    scaled_dot_product_attention={
        "prediction": "active" if bool((attention(training=False) != 1).any()) else "identity",
        "default": 0.0,
    },
    SGD=torch_probes.decay(optim.SGD, adaptive=False, momentum=0.9) | {"without_gradient": idle()},
    Adam=torch_probes.decay(optim.Adam) | {"loads_decoupled": loaded()},
    AdamW=torch_probes.decay(optim.AdamW)
    | {
        "subclass_of_adam": issubclass(optim.AdamW, optim.Adam),
        "decoupled_flag_off": probes.decay(switched, True)["coupling"],
    },
    NAdam={  # its first step is longer than that of Adam
        key: value for key, value in torch_probes.decay(optim.NAdam).items() if key != "step"
    },
    RAdam=radam(),
    Adamax=torch_probes.decay(optim.Adamax),
    Adagrad=torch_probes.decay(optim.Adagrad),
    RMSprop=torch_probes.decay(optim.RMSprop),
    Adadelta=torch_probes.decay(optim.Adadelta),
    Adafactor=torch_probes.decay(optim.Adafactor),
    ASGD={"default": probes.default(optim.ASGD, "weight_decay")}
    | torch_probes.hit(lambda p: optim.ASGD(p, 0.1, lambd=0, weight_decay=0.1)),
    ASGD_lambd=probes.decay(lambd)
    | {"default": probes.default(optim.ASGD, "lambd")}
    | torch_probes.hit(lambda p: optim.ASGD(p, 0.1, lambd=0.1)),
    Muon=muon(),
    Embedding={"norm": "l2", "looked_up": round(first, 3), "others": round(second, 3)},
)
