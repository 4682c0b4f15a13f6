#!/usr/bin/env bash
# lightning 2.6.6 on torch 2.13.0, callbacks.StochasticWeightAveraging.
#
# Behaviour: the weights are taken into the average at the start of an epoch, and the average replaces
# them at the end of the training. What the last epoch learned is in no average, and is lost without a
# warning. Of a training of one epoch nothing is left but the initial weights.
#
# Output seen (a weight that starts at 0 and gains 1 in each epoch):
#   5 epochs, averaged from epoch 3: 3.0 (the average of 3, 4 and 5 is 4)
#   1 epoch: 0.0
#   1 epoch without the callback: 1.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet lightning==2.6.6 torch==2.13.0 numpy==2.4.6
cd "$folder"
"$folder/environment/bin/python" -W ignore - <<'PYTHON'
import logging

import lightning
import torch
from lightning.pytorch.callbacks import StochasticWeightAveraging
from torch.utils.data import DataLoader

assert lightning.__version__ == "2.6.6" and torch.__version__.partition("+")[0] == "2.13.0"
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch, index):
        return -self.weight  # with a learning rate of 1, each step adds 1

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


def trained(epochs, *callbacks):
    model = Model()
    trainer = lightning.Trainer(
        max_epochs=epochs,
        callbacks=list(callbacks),
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, DataLoader(torch.zeros(1)))
    return float(model.weight)


five = trained(5, StochasticWeightAveraging(swa_lrs=1.0, swa_epoch_start=3))
one = trained(1, StochasticWeightAveraging(swa_lrs=1.0))
plain = trained(1)
print(f"5 epochs, averaged from epoch 3: {five} (the average of 3, 4 and 5 is 4)")
print(f"1 epoch: {one}")
print(f"1 epoch without the callback: {plain}")
assert (five, one, plain) == (3.0, 0.0, 1.0)  # the last three epochs start at 2, 3 and 4
PYTHON
