# /// script
# requires-python = ">=3.10"
# dependencies = ["transformers==5.23.0", "accelerate", "torch==2.13.0", "numpy"]
# ///
"""Measures the record of the Trainer of transformers."""

import tempfile

import probes
import torch
import torch_probes
from torch import nn
from transformers import BertConfig, BertModel, Trainer, TrainingArguments


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        made = torch_probes.parts()
        self.dense, self.with_bias = made["weights"], made["biases"]
        self.layer, self.table = made["norms"], made["embeddings"]
        self.batch, self.group = nn.BatchNorm1d(2), nn.GroupNorm(1, 2)
        self.rms, self.slope = nn.RMSNorm(2), nn.PReLU()
        self.relative_attention_bias = nn.Embedding(2, 2)
        self.norm = nn.Linear(2, 2)


def arguments(folder, **options):
    return TrainingArguments(output_dir=folder, use_cpu=True, report_to=[], **options)


with tempfile.TemporaryDirectory() as folder:
    model = Mixed()
    trainer = Trainer(model=model, args=arguments(folder, weight_decay=0.1, learning_rate=0.1))
    optimizer = trainer.create_optimizer()
    plain = arguments(folder)

decayed = {id(p) for g in optimizer.param_groups for p in g["params"] if g["weight_decay"]}


def step(weights, gradients, lr, decay, steps):
    make = lambda p: type(optimizer)(p, lr=lr, weight_decay=decay)
    return torch_probes.run(make, weights, gradients, steps)


def hit(parameter):
    return id(parameter) in decayed


config = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9)
config.intermediate_size = 8
fresh = BertModel(config)
with tempfile.TemporaryDirectory() as folder:
    fresh.save_pretrained(folder)
    loaded = BertModel.from_pretrained(folder)
probes.report(
    "transformers",
    Trainer={
        **probes.decay(step, True),
        "default": plain.weight_decay,
        "biases": hit(model.dense.bias),
        "norms": hit(model.layer.weight),
        "embeddings": hit(model.table.weight),
        "optimizer": str(plain.optim.value),
        "batch_norm_is_decayed": hit(model.batch.weight),
        "group_norm_is_decayed": hit(model.group.weight),
        "rms_norm_is_decayed": hit(model.rms.weight),
        "prelu_is_decayed": hit(model.slope.weight),
        "relative_attention_bias_is_decayed": hit(model.relative_attention_bias.weight),
        "matrix_named_norm_is_decayed": hit(model.norm.weight),
        "label_smoothing": plain.label_smoothing_factor,
    },
    hidden_dropout_prob={
        "default": BertConfig().hidden_dropout_prob,
        "probability": "drop",
        "fresh": "active" if fresh.training else "inactive",
        "loaded_is_active": loaded.training,
    },
)
assert isinstance(fresh, torch.nn.Module)
