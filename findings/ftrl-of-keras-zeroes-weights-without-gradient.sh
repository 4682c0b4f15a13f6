#!/usr/bin/env bash
# Keras 3.15.1 on torch 2.13.0, optimizers.Ftrl with its default settings.
#
# Behaviour: a weight whose gradient is zero becomes exactly 0 at the first step, whatever it was.
# No penalty was asked for: l1 and l2 regularization strengths are 0 by default. A pretrained weight
# that the first batch does not use, such as a row of an embedding, is lost.
#
# Output seen:
#   gradient 0.0: 100.0 becomes 0.0
#   SGD, gradient 0.0: 100.0 stays 100.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet keras==3.15.1 torch==2.13.0 numpy==2.4.6
KERAS_BACKEND=torch "$folder/environment/bin/python" -W ignore - <<'PYTHON'
import keras
import numpy as np

assert keras.__version__ == "3.15.1"


def after(optimizer):
    weight = keras.Variable(np.array([100.0], "float32"))
    optimizer.apply([keras.ops.zeros(1)], [weight])
    return float(keras.ops.convert_to_numpy(weight)[0])


ftrl, sgd = after(keras.optimizers.Ftrl()), after(keras.optimizers.SGD())
print(f"gradient 0.0: 100.0 becomes {ftrl}")
print(f"SGD, gradient 0.0: 100.0 stays {sgd}")
assert ftrl == 0.0
assert sgd == 100.0
PYTHON
