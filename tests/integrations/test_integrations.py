"""The callbacks of Lightning, transformers and skorch: they act, and leave nothing behind."""

import copy
import importlib
import logging
import pickle
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import bridle
from bridle.errors import UsageError

# the frameworks warn of their own use of torch and of small machines; none of it is bridle's
pytestmark = pytest.mark.filterwarnings("ignore")

RULES = {nn.ReLU: bridle.Dropout(keep_prob=0.5), "*": bridle.L1(0.5)}
X = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


def body():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 2))


def is_clean(model):
    return not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def has_zeros(model):
    return any(bool((p == 0).any()) for p in model.parameters() if p.ndim == 2)


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", ["lightning", "transformers", "skorch"])
def test_without_the_framework_it_says_what_to_install(name, monkeypatch):
    for absent in (name, "pytorch_lightning"):
        for loaded in [each for each in sys.modules if each.split(".")[0] == absent]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.setitem(sys.modules, absent, None)
    monkeypatch.delitem(sys.modules, f"bridle.integrations.{name}", raising=False)
    with pytest.raises(ImportError, match=rf"pip install 'bridle\[{name}\]'"):
        importlib.import_module(f"bridle.integrations.{name}")


class Watch(nn.Module):
    """Passes its input on, and notes the share of zeros in training and in evaluation."""

    def __init__(self):
        super().__init__()
        self.seen = {True: [], False: []}

    def forward(self, x):
        self.seen[self.training].append(float((x == 0).float().mean()))
        return x


class Plain(nn.Module):
    """A module of which dropout on ones shows all."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 40)
        self.drop = nn.Identity()
        self.watch = Watch()
        self.last = nn.Linear(40, 2)

    def forward(self, x):
        return self.last(self.watch(self.drop(self.first(x))))


DROP = {"*drop": bridle.Dropout(keep_prob=0.5)}


# ------------------------------------------------------------------------------------ Lightning


@pytest.fixture
def lightning():
    pytest.importorskip("lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    from lightning import pytorch as pl

    from bridle.integrations.lightning import BridleCallback

    class Module(pl.LightningModule):
        def __init__(self, inner=None, optimizers=1, fails=False):
            super().__init__()
            self.inner = inner or body()
            self.optimizers_wanted = optimizers
            self.fails = fails
            self.automatic_optimization = optimizers == 1

        def training_step(self, batch, number):
            if self.fails:
                raise RuntimeError("planted")
            loss = nn.functional.cross_entropy(self.inner(batch[0]), batch[1])
            if not self.automatic_optimization:
                for each in self.optimizers():
                    each.zero_grad()
                self.manual_backward(loss)
                for each in self.optimizers():
                    each.step()
            return loss

        def validation_step(self, batch, number):
            self.inner(batch[0])

        def configure_optimizers(self):
            if self.optimizers_wanted == 1:
                return torch.optim.AdamW(self.parameters(), lr=0.01, weight_decay=0)
            return [torch.optim.SGD(self.inner[at].parameters(), lr=0.01) for at in (0, 2)]

    def fit(module, callback, epochs=2, path=None, **options):
        options = {"enable_checkpointing": False} | options
        trainer = pl.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            callbacks=[callback],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        )
        rows = DataLoader(TensorDataset(X, Y), batch_size=16)
        trainer.fit(module, rows, rows, ckpt_path=path, weights_only=False)
        return trainer

    return Module, BridleCallback, fit


def test_lightning_acts_and_leaves_nothing(lightning):
    Module, BridleCallback, fit = lightning
    module, callback = Module(), BridleCallback(RULES)
    keys = list(module.state_dict())
    trainer = fit(module, callback)
    assert has_zeros(module)
    assert is_clean(module)
    assert list(module.state_dict()) == keys
    assert not trainer.optimizers[0]._optimizer_step_post_hooks
    assert callback.receipt is None
    once = copy.deepcopy(module)
    fit(module, callback)  # a second time
    assert not same(module, once)


def test_lightning_drops_in_training_only(lightning):
    Module, BridleCallback, fit = lightning
    module = Module(Plain())
    fit(module, BridleCallback(DROP))
    assert all(0.3 < share < 0.7 for share in module.inner.watch.seen[True])
    assert not any(module.inner.watch.seen[False])


def test_lightning_resumes_bit_for_bit(lightning, tmp_path):
    Module, BridleCallback, fit = lightning
    whole = Module()
    fit(whole, BridleCallback(RULES), epochs=4)
    half = Module()
    trainer = fit(half, BridleCallback(RULES), epochs=2)
    assert not same(whole, half)

    class Saving(BridleCallback):
        def on_train_epoch_end(self, trainer, module):
            trainer.save_checkpoint(tmp_path / f"{trainer.current_epoch}.ckpt")

    class Same(BridleCallback):
        state_key = "bridle"

    Saving.state_key = Same.state_key
    fit(Module(), Saving(RULES), epochs=2)
    resumed = Module()
    trainer = fit(resumed, Same(RULES), epochs=4, path=str(tmp_path / "1.ckpt"))
    assert trainer.global_step == 16
    assert same(whole, resumed)


def test_lightning_is_clean_after_an_error(lightning):
    Module, BridleCallback, fit = lightning
    module, callback = Module(fails=True), BridleCallback(RULES)
    with pytest.raises(RuntimeError, match="planted"):
        fit(module, callback)
    assert is_clean(module)
    assert callback.receipt is None


def test_lightning_with_two_optimizers(lightning):
    Module, BridleCallback, fit = lightning
    module = Module(optimizers=2)
    fit(module, BridleCallback({"*": bridle.L1(2.0)}), epochs=4)
    assert all(bool((module.inner[at].weight == 0).any()) for at in (0, 2))


def test_a_weight_that_no_optimizer_has(lightning):
    Module, BridleCallback, fit = lightning

    class Part(Module):
        def configure_optimizers(self):
            pair = [self.inner[0].weight], [self.inner[0].bias]
            return [torch.optim.SGD(each, lr=0.01) for each in pair]

    with pytest.raises(UsageError, match=r"no optimizer has inner\.2\.weight"):
        fit(Part(optimizers=2), BridleCallback(RULES))


# --------------------------------------------------------------------------------- transformers


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


# --------------------------------------------------------------------------------------- skorch


@pytest.fixture
def skorch():
    pytest.importorskip("skorch")
    from skorch import NeuralNetClassifier

    from bridle.integrations.skorch import BridleCallback

    def net(inner, rules, **options):
        return NeuralNetClassifier(
            inner,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            lr=0.01,
            batch_size=16,
            callbacks=[("bridle", BridleCallback(rules))],
            **{"max_epochs": 4, "verbose": 0} | options,
        )

    return net


def test_skorch_acts_and_leaves_nothing(skorch):
    net = skorch(body(), RULES).fit(X.numpy(), Y.numpy())
    assert has_zeros(net.module_)
    assert is_clean(net.module_)
    again = pickle.loads(pickle.dumps(net))
    assert np.array_equal(again.predict(X.numpy()), net.predict(X.numpy()))


def test_skorch_drops_in_training_only(skorch):
    net = skorch(Plain(), DROP).fit(X.numpy(), Y.numpy())
    assert all(0.3 < share < 0.7 for share in net.module_.watch.seen[True])
    assert net.module_.watch.seen[False]
    assert not any(net.module_.watch.seen[False])


def test_skorch_draws_the_masks_that_follow(skorch):
    torch.manual_seed(0)
    whole = skorch(body(), RULES, max_epochs=4, train_split=None).fit(X.numpy(), Y.numpy())
    parts = skorch(body(), RULES, max_epochs=1, train_split=None)
    for _ in range(4):
        parts.partial_fit(X.numpy(), Y.numpy())
    assert same(whole.module_, parts.module_)


def test_skorch_in_a_grid_search(skorch):
    from sklearn.model_selection import GridSearchCV

    choices = [{"*": bridle.L1(0.0)}, {"*": bridle.L1(50.0)}]
    search = GridSearchCV(
        skorch(body(), RULES), {"callbacks__bridle__rules": choices}, cv=2, scoring="accuracy"
    )
    search.fit(X.numpy(), Y.numpy())
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] > scores[1]
    assert repr(search.best_params_["callbacks__bridle__rules"]) == repr(choices[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.predict(X.numpy())


@pytest.fixture(scope="module")
def found():
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(90, 3)), columns=list("abc"))
    table["y"] = np.where(table.a + table.b > 0, "up", "down")
    return bridle.search(table, "y", configurations=9, epochs=3, hidden=[(8,)], folds=3)


def test_tensorboard_has_every_look(found, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from bridle.integrations.tensorboard import log_search

    log_search(found, tmp_path)
    assert len(list(tmp_path.iterdir())) == 10
    events = EventAccumulator(str(tmp_path / "configuration-00003")).Reload()
    looks = found.histories[found.histories.id == 3]
    written = events.Scalars("held out/accuracy")
    assert [each.step for each in written] == looks.step.tolist()
    assert [each.value for each in written] == pytest.approx(looks.score.tolist())


def test_mlflow_has_every_look(found, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow = pytest.importorskip("mlflow")
    from bridle.integrations.mlflow import log_search

    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    run = mlflow.get_run(log_search(found))
    assert run.data.metrics["test_chosen"] == pytest.approx(found.scores["chosen"])
    client = mlflow.tracking.MlflowClient()
    nested = client.search_runs(
        [run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'"
    )
    assert len(nested) == 9
    one = next(each for each in nested if each.data.tags["mlflow.runName"] == "configuration 3")
    looks = found.histories[found.histories.id == 3]
    written = client.get_metric_history(one.info.run_id, "held_out_loss")
    assert [each.step for each in written] == looks.step.tolist()
    assert [each.value for each in written] == pytest.approx(looks.loss.tolist())


def test_a_session_learns_rates_from_run_to_run():
    """Concrete dropout's rates join the optimizer of the run, and go on in the next."""
    from bridle.integrations.session import Session

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    session, rates = Session(), []
    for _ in range(2):
        parts = [{"params": list(model[0].parameters())}, {"params": list(model[2].parameters())}]
        optimizers = [torch.optim.Adam([part], lr=0.05) for part in parts]
        rules = {nn.ReLU: bridle.ConcreteDropout(drop_prob=0.3)}
        options = {"seed": 0, "mode": "proximal", "metric": "euclidean"}
        receipt = session.begin(model, optimizers, rules, **options)
        rates.append(receipt.noises[0].noise.keep_prob)
        for _ in range(5):
            model(torch.randn(20, 4)).square().mean().backward()
            for optimizer in optimizers:
                optimizer.step()
        rates.append(receipt.noises[0].noise.keep_prob)
        session.end()
        assert all(len(o.param_groups[0]["params"]) == 2 for o in optimizers)
    assert rates[1] != rates[0]
    assert rates[2] == rates[1]
    assert rates[3] != rates[2]
