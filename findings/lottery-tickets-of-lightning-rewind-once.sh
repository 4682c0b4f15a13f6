#!/usr/bin/env bash
# lightning 2.6.6 on torch 2.13.0, callbacks.ModelPruning(use_lottery_ticket_hypothesis=True), its default.
#
# Behaviour: after each pruning the weights that are left should return to their first values. They do
# after the first one. From then on the callback's copy of the first values shares its memory with the
# weights, so that training changes the copy, and every later return keeps what was trained. Nothing is
# said.
#
# Output seen (every weight starts at 1 and gains 1 in each epoch):
#   weights that are left after the pruning of epoch 0: 1.0
#   weights that are left after the pruning of epoch 1: 2.0
#   weights that are left after the pruning of epoch 2: 3.0
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
from lightning.pytorch.callbacks import Callback, ModelPruning
from torch import nn
from torch.utils.data import DataLoader

assert lightning.__version__ == "2.6.6" and torch.__version__.partition("+")[0] == "2.13.0"
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
seen = []


class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 16, bias=False)
        nn.init.ones_(self.layer.weight)

    def training_step(self, batch, index):
        return -self.layer(torch.ones(1)).sum()  # with a learning rate of 1, each step adds 1

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


class Look(Callback):
    def on_train_epoch_end(self, trainer, model):
        left = model.layer.weight_orig[model.layer.weight_mask.bool()]
        assert left.min() == left.max()
        seen.append(float(left[0]))
        print(f"weights that are left after the pruning of epoch {trainer.current_epoch}: {seen[-1]}")


model = Model()
trainer = lightning.Trainer(
    max_epochs=3,
    callbacks=[
        ModelPruning("l1_unstructured", [(model.layer, "weight")], amount=4, use_global_unstructured=False),
        Look(),
    ],
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(model, DataLoader(torch.zeros(1)))
assert seen == [1.0, 2.0, 3.0]
PYTHON
