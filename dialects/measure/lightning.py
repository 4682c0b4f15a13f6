# /// script
# requires-python = ">=3.10"
# dependencies = ["lightning==2.6.6", "torch==2.13.0", "numpy"]
# ///
"""Measures the record of Lightning."""

import warnings

import lightning
import probes
import torch
import torch_probes
from torch import nn

warnings.simplefilter("ignore")


class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleDict(torch_probes.parts())
        self.drop = nn.Dropout(0.5)
        self.dropped = {}

    def training_step(self, batch, index):
        self.dropped["training"] = bool((self.drop(torch.ones(500)) == 0).any())
        named = torch_probes.of_each(dict(self.parts.items()))
        return sum((parameter * 0).sum() for parameter in named.values()) + batch[0].sum() * 0

    def validation_step(self, batch, index):
        self.dropped["validation"] = bool((self.drop(torch.ones(500)) == 0).any())

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.1, weight_decay=0.1)


def clipped():
    """Whether the decay of SGD is inside the gradient that gradient_clip_val bounds."""

    class Plain(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def training_step(self, batch, index):
            return (self.weight * 0).sum()

        def configure_optimizers(self):
            return torch.optim.SGD([self.weight], lr=0.1, weight_decay=0.5)

    model = Plain()
    fit(model, gradient_clip_val=0.01)
    return float(1 - model.weight) < 0.01


def fit(model, **options):
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(1, 2)))
    trainer = lightning.Trainer(
        max_steps=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    trainer.fit(model, data, data if isinstance(model, Model) else None)


model = Model()
fit(model, num_sanity_val_steps=0, check_val_every_n_epoch=1)
moved = {
    name: bool((parameter != 1).any())
    for name, parameter in torch_probes.of_each(dict(model.parts.items())).items()
}
sleeping = Model().eval()
fit(sleeping, num_sanity_val_steps=0)
probes.report(
    "lightning",
    configure_optimizers={
        **{name: moved[name] for name in ("biases", "norms", "embeddings")},
        "gradient_clipping_covers_SGDs_decay": clipped(),
    },
    general={
        "dropout_in_training_step": model.dropped["training"],
        "dropout_in_validation_step": model.dropped.get("validation", False),
        "module_in_eval_mode_is_switched_to_training": sleeping.dropped["training"],
    },
)
