"""The callback for Hugging Face's Trainer: it acts, resumes, and leaves nothing behind."""

import copy

import pytest
from integration_helpers import DROP, RULES, Plain, X, Y, body, has_zeros, is_clean, same
from torch import nn
from torch.utils.data import Dataset

# the frameworks warn of their own use of torch and of small machines; none of it is bridle's
pytestmark = pytest.mark.filterwarnings("ignore")


class Rows(Dataset):
    def __len__(self):
        return len(X)

    def __getitem__(self, row):
        return {"inputs": X[row], "labels": Y[row]}


class Classifier(nn.Module):
    def __init__(self, inner=None):
        super().__init__()
        self.inner = inner or body()

    def forward(self, inputs, labels=None):
        scores = self.inner(inputs)
        return {"loss": nn.functional.cross_entropy(scores, labels), "logits": scores}


@pytest.fixture
def transformers(tmp_path):
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from transformers import Trainer, TrainingArguments

    from bridle.integrations.transformers import BridleCallback

    def trainer(model, callback, epochs=2, **options):
        return Trainer(
            model,
            TrainingArguments(
                str(tmp_path),
                num_train_epochs=epochs,
                per_device_train_batch_size=16,
                learning_rate=0.01,
                lr_scheduler_type="constant",
                use_cpu=True,
                report_to=[],
                disable_tqdm=True,
                logging_strategy="no",
                **{"save_strategy": "no"} | options,
            ),
            train_dataset=Rows(),
            eval_dataset=Rows(),
            callbacks=[callback],
        )

    return trainer, BridleCallback


def test_transformers_acts_and_leaves_nothing(transformers):
    trainer, BridleCallback = transformers
    model, callback = Classifier(), BridleCallback(RULES)
    keys = list(model.state_dict())
    trainer(model, callback).train()
    assert has_zeros(model)
    assert is_clean(model)
    assert list(model.state_dict()) == keys
    assert callback.receipt is None
    once = copy.deepcopy(model)
    trainer(model, callback).train()
    assert not same(model, once)


def test_transformers_drops_in_training_only(transformers):
    trainer, BridleCallback = transformers
    model = Classifier(Plain())
    trainer(model, BridleCallback(DROP), eval_strategy="epoch").train()
    assert all(0.3 < share < 0.7 for share in model.inner.watch.seen[True])
    assert model.inner.watch.seen[False]
    assert not any(model.inner.watch.seen[False])


def test_transformers_resumes_bit_for_bit(transformers, tmp_path):
    trainer, BridleCallback = transformers
    whole = Classifier()
    trainer(whole, BridleCallback(RULES), epochs=4, save_strategy="epoch").train()
    resumed = Classifier()
    again = trainer(resumed, BridleCallback(RULES), epochs=4)
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-8"))
    assert again.state.global_step == 16
    assert same(whole, resumed)
