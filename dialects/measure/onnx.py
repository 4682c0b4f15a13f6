# /// script
# requires-python = ">=3.11"
# dependencies = ["onnx==1.23.2", "onnxruntime==1.32.0", "numpy"]
# ///
"""Measures the record of ONNX's Dropout, in ONNX Runtime."""

import numpy as np
import onnxruntime as ort
import probes
from onnx import TensorProto, helper


def session(rate, *, training=None, middle=False, keep=False, opset=18):
    nodes, inits = [], []
    names = ["x"]
    if rate is not None or training is not None:
        inits.append(
            helper.make_tensor("ratio", TensorProto.FLOAT, [], [0.5 if rate is None else rate])
        )
        names.append("ratio")
    if training is not None:
        inits.append(helper.make_tensor("mode", TensorProto.BOOL, [], [training]))
        names.append("mode")
    if middle:
        nodes.append(helper.make_node("Neg", ["x"], ["x_"]))
        names[0] = "x_"
    nodes.append(helper.make_node("Dropout", names, ["y_" if middle else "y"], seed=1))
    if middle:
        nodes.append(helper.make_node("Neg", ["y_"], ["y"]))
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [None])
    graph = helper.make_graph(nodes, "g", [value("x")], [value("y")], inits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ort.InferenceSession(
        model.SerializeToString(),
        options,
        disabled_optimizers=["EliminateDropout"] if keep else None,
    )


def run(values, rate, **options):
    return session(rate, **options).run(None, {"x": np.array(values, "f")})[0].tolist()


def train(values, rate):
    return run(values, rate, training=True)


def predict(values, rate):
    return run(values, rate, training=False)


ones = [1.0] * 500
refusals = (Exception,)
probes.report(
    "onnx",
    Dropout=probes.dropout(train, predict, refusals)
    | {
        "fresh": "active" if 0.0 in run(ones, None) else "inactive",
        "default": round(1 - 1 / max(run(ones, None, training=True)), 3),
        "optimized_away_in_training_mode": 0.0 not in run(ones, 0.5, training=True, middle=True),
        "kept_if_the_rule_is_disabled": 0.0
        in [abs(v) for v in run(ones, 0.5, training=True, middle=True, keep=True)],
    },
)
