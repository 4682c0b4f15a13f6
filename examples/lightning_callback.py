"""bridle in Lightning: one callback.

Run ``python examples/lightning_callback.py``; it needs ``pip install 'bridle[lightning]'``.
"""

import logging

import torch
from lightning import pytorch as pl
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import bridle
from bridle.integrations.lightning import BridleCallback

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Digits(pl.LightningModule):
    """An ordinary LightningModule, without any reference to bridle."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))

    def training_step(self, batch, _):
        """Return the loss of a batch."""
        return nn.functional.cross_entropy(self.body(batch[0]), batch[1])

    def validation_step(self, batch, _):
        """Log the accuracy of a batch."""
        self.log("accuracy", (self.body(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        """Return the optimizer."""
        return torch.optim.AdamW(self.parameters(), lr=3e-3, weight_decay=0)


X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X / 16, dtype=torch.float32), torch.tensor(y)
X, X_new, y, y_new = train_test_split(X, y, train_size=300, random_state=0)

pl.seed_everything(0, verbose=False)
module = Digits()
rules = {nn.ReLU: bridle.Dropout(keep_prob=0.5), "*": bridle.L1(0.05)}
trainer = pl.Trainer(
    max_epochs=20,
    accelerator="cpu",
    callbacks=[BridleCallback(rules)],
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(
    module,
    DataLoader(TensorDataset(X, y), batch_size=32, shuffle=True),
    DataLoader(TensorDataset(X_new, y_new), batch_size=512),
)
print(f"held-out accuracy: {float(trainer.callback_metrics['accuracy']):.3f}")
print(f"exact zeros: {(module.body[0].weight == 0).float().mean():.0%}")
