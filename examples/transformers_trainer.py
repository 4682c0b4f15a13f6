"""bridle in Hugging Face's Trainer: one callback. Nothing is downloaded.

Run ``python examples/transformers_trainer.py``; it needs ``pip install 'bridle[transformers]'``.
A small BERT learns whether a row contains a certain token.
"""

import tempfile

import torch
from torch.utils.data import Dataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

import bridle
from bridle.integrations.transformers import BridleCallback


class Tokens(Dataset):
    """Rows of eight tokens; the label says whether token 3 is among them."""

    def __init__(self, rows, seed):
        draw = torch.Generator().manual_seed(seed)
        self.tokens = torch.randint(1, 12, (rows, 8), generator=draw)
        self.labels = (self.tokens == 3).any(1).long()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, row):
        return {"input_ids": self.tokens[row], "labels": self.labels[row]}


torch.manual_seed(0)
model = BertForSequenceClassification(
    BertConfig(
        vocab_size=12,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=8,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
)
rules = {
    "*.intermediate": bridle.Dropout(keep_prob=0.9),
    "*.intermediate.dense": bridle.L1(0.2),
}
with tempfile.TemporaryDirectory() as folder:
    trainer = Trainer(
        model,
        TrainingArguments(
            folder,
            num_train_epochs=3,
            per_device_train_batch_size=32,
            learning_rate=3e-3,
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            save_strategy="no",
            logging_strategy="no",
        ),
        train_dataset=Tokens(1000, seed=0),
        eval_dataset=Tokens(500, seed=1),
        callbacks=[BridleCallback(rules)],
    )
    trainer.train()
    found = trainer.predict(Tokens(500, seed=1))
accuracy = (found.predictions.argmax(1) == found.label_ids).mean()
weight = model.bert.encoder.layer[0].intermediate.dense.weight
print(f"held-out accuracy: {accuracy:.3f}")
print(f"exact zeros: {(weight == 0).float().mean():.0%}")
