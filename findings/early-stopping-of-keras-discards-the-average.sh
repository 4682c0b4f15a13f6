#!/usr/bin/env bash
# Keras 3.15.1 on torch 2.13.0, an optimizer with use_ema=True and EarlyStopping with
# restore_best_weights=True.
#
# Behaviour: at the end of fit the weights are replaced by their average, as use_ema asks for; then the
# callback puts back the weights of its best epoch, which are those before averaging. So the average is
# lost, without a warning, even if nothing was stopped and the last epoch is the best one. Without
# restore_best_weights the model keeps the average.
#
# Output seen:
#   use_ema: 0.8267
#   use_ema, restore_best_weights: 0.5905
#   restore_best_weights: 0.5905
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet keras==3.15.1 torch==2.13.0 numpy==2.4.6
KERAS_BACKEND=torch "$folder/environment/bin/python" -W ignore - <<'PYTHON'
import keras
import numpy as np

assert keras.__version__ == "3.15.1"
X, y = np.ones((8, 1), "float32"), np.zeros((8, 1), "float32")


def fitted(*, average, restore):
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(keras.optimizers.SGD(0.05, use_ema=average, ema_momentum=0.9), "mse")
    stop = keras.callbacks.EarlyStopping("loss", patience=100, restore_best_weights=restore)
    history = model.fit(X, y, epochs=5, batch_size=8, verbose=0, callbacks=[stop])
    assert len(history.epoch) == 5
    return float(model.get_weights()[0][0, 0])


averaged = fitted(average=True, restore=False)
both = fitted(average=True, restore=True)
raw = fitted(average=False, restore=True)
print(f"use_ema: {averaged:.4f}")
print(f"use_ema, restore_best_weights: {both:.4f}")
print(f"restore_best_weights: {raw:.4f}")
assert both == raw and abs(averaged - raw) > 0.1
PYTHON
