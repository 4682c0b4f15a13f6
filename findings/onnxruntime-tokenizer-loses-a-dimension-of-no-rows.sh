#!/usr/bin/env bash
# onnxruntime 1.32.0 with onnx 1.23.2, the operator Tokenizer of com.microsoft, on texts of shape [rows].
#
# Behaviour: the output has the shape [rows, tokens] with one row or more, and [0] with no rows: a
# dimension is lost. A graph that goes on with an operator for two dimensions fails on an empty batch,
# such as a filter that keeps nothing, although every shape before the operator is right.
#
# Output seen:
#   2 rows: shape (2, 3)
#   0 rows: shape (0,)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
"$folder/environment/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

node = helper.make_node(
    "Tokenizer", ["texts"], ["tokens"], domain="com.microsoft",
    mark=0, mincharnum=1, pad_value="", separators=[" "],
)
graph = helper.make_graph(
    [node], "tokens",
    [helper.make_tensor_value_info("texts", TensorProto.STRING, [None])],
    [helper.make_tensor_value_info("tokens", TensorProto.STRING, None)],
)
opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
session = onnxruntime.InferenceSession(model.SerializeToString())
shapes = {}
for texts in (["one two three", "four"], []):
    (tokens,) = session.run(None, {"texts": np.array(texts, dtype=object)})
    shapes[len(texts)] = tokens.shape
    print(f"{len(texts)} rows: shape {tokens.shape}")
assert shapes == {2: (2, 3), 0: (0,)}
PYTHON
