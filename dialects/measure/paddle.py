# /// script
# requires-python = ">=3.10"
# dependencies = ["paddlepaddle==3.3.1", "setuptools"]
# ///
"""Measures the record of PaddlePaddle."""

import paddle
import paddle.nn.functional as F
import probes
from paddle import nn, optimizer as optim, regularizer

paddle.set_device("cpu")


def tensor(values):
    return paddle.to_tensor(values, dtype="float32")


def train(values, rate):
    return F.dropout(tensor(values), rate).tolist()


def predict(values, rate):
    return F.dropout(tensor(values), rate, training=False).tolist()


def classic(values, rate):
    return F.dropout(tensor([values]), rate, mode="downscale_in_infer").tolist()[0]


def classic_predict(values, rate):
    x = tensor([values])
    return F.dropout(x, rate, training=False, mode="downscale_in_infer").tolist()[0]


def gradient(values, rate):
    x = tensor(values)
    x.stop_gradient = False
    F.dropout(x, rate).sum().backward()
    return x.grad.tolist()


def parameter(values, attr=None):
    made = paddle.create_parameter([len(values)], "float32", attr=attr)
    made.set_value(tensor(values))
    return made


def run(make, weights, gradients, steps=1, attr=None, **options):
    weight = parameter(weights, attr)
    optimizer = make([weight], **options)
    for _ in range(steps):
        (weight * tensor(gradients)).sum().backward()
        optimizer.step()
        optimizer.clear_grad()
    return weight.tolist()


def stepper(function, **options):
    def step(weights, gradients, lr, decay, steps):
        make = lambda params: function(lr, parameters=params, weight_decay=decay, **options)
        return run(make, weights, gradients, steps)

    return step


def biases(function):
    layer = nn.Linear(2, 2, bias_attr=nn.initializer.Constant(1.0))
    optimizer = function(0.1, parameters=layer.parameters(), weight_decay=0.1)
    (layer(tensor([[1.0, 1.0]])) * 0).sum().backward()
    optimizer.step()
    return bool((layer.bias != 1).any())


def drop(function, decay, attr=None, **options):
    make = lambda params: function(0.1, parameters=params, weight_decay=decay, **options)
    return round(1 - run(make, [1.0], [0.0], attr=attr)[0], 5)


def attribute(strength):
    return paddle.ParamAttr(regularizer=regularizer.L2Decay(strength))


def lasso():
    weight, seen = [0.02], []
    for _ in range(3):
        make = lambda params: optim.SGD(
            0.1, parameters=params, weight_decay=regularizer.L1Decay(0.7)
        )
        weight = run(make, weight, [0.0])
        seen += weight
    return seen


def clipped():
    return drop(optim.SGD, 0.5, grad_clip=nn.ClipGradByGlobalNorm(0.01)) < 0.01


fresh = nn.Dropout(0.5)(paddle.ones([1000]))
rows = F.dropout(paddle.ones([50, 8]), 0.5, axis=0)
exempt = drop(optim.SGD, 0.5, attribute(0.0))
both = drop(optim.AdamW, 0.5, attribute(0.5))
alone = drop(optim.AdamW, 0.5)
probes.report(
    "paddle",
    Dropout=probes.dropout(train, predict, gradient=gradient)
    | {
        "default": probes.default(nn.Dropout.__init__, "p"),
        "fresh": "active" if bool((fresh == 0).any()) else "inactive",
        "mask_axes": "varying" if bool((rows == rows[:, :1]).all()) else "shared",
        "integers": probes.attempt(lambda: F.dropout(paddle.ones([8], "int64")), (Exception,)),
    },
    downscale_in_infer=probes.dropout(classic, classic_predict)
    | {
        "vector_at_prediction": probes.attempt(
            lambda: F.dropout(paddle.ones([8]), 0.5, training=False, mode="downscale_in_infer"),
            (Exception,),
        )
    },
    L2Decay={
        "norm": "l2",
        "factor": round(drop(optim.SGD, regularizer.L2Decay(0.5)) / 0.1 / 0.5 / 2, 4),
        "biases": biases(
            lambda lr, parameters, weight_decay: optim.SGD(
                lr, parameters=parameters, weight_decay=regularizer.L2Decay(weight_decay)
            )
        ),
        "attribute_wins": exempt == 0,
        "attribute_adds_to_AdamW": both > alone + 0.05,
        "is_clipped": clipped(),
        "AdamW_takes_it": probes.attempt(
            lambda: drop(optim.AdamW, regularizer.L2Decay(0.5)), (Exception,)
        ),
    },
    L1Decay={"norm": "l1", "exact_zeros": 0.0 in lasso()},
    Momentum=probes.decay(stepper(optim.Momentum))
    | {"default": probes.default(optim.Momentum, "weight_decay"), "biases": biases(optim.Momentum)},
    Adam=probes.decay(stepper(optim.Adam), True)
    | {"default": probes.default(optim.Adam, "weight_decay"), "biases": biases(optim.Adam)},
    AdamW=probes.decay(stepper(optim.AdamW), True)
    | {"default": probes.default(optim.AdamW, "weight_decay"), "biases": biases(optim.AdamW)},
)
