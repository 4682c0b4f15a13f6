#!/usr/bin/env bash
# safetensors 0.8.0, its NumPy front end (safetensors.numpy.save), with numpy 2.4.6.
#
# Behaviour: an array that is not C-contiguous, such as the transpose of a layer's weights or every
# second column of them, is written with the right shape and wrong values: the bytes lie in memory
# order. Loading returns other weights than were saved, without an error. np.ascontiguousarray
# before saving avoids it.
#
# Output seen:
#   saved  [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
#   loaded [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6
"$folder/environment/bin/python" - <<'PYTHON'
import numpy as np
import safetensors
from safetensors.numpy import load, save

assert safetensors.__version__ == "0.8.0"
transposed = np.arange(6, dtype=np.float32).reshape(2, 3).T
loaded = load(save({"weight": transposed}))["weight"]
print("saved ", transposed.tolist())
print("loaded", loaded.tolist())
assert loaded.shape == transposed.shape and not np.array_equal(loaded, transposed)
dense = np.ascontiguousarray(transposed)
assert np.array_equal(load(save({"weight": dense}))["weight"], transposed)
PYTHON
