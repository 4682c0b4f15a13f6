"""Lightning's callback: it acts, resumes bit for bit, and leaves nothing behind."""

import copy
import logging
import warnings

import pytest
import torch
from integration_helpers import DROP, RULES, Plain, X, Y, body, has_zeros, is_clean, same
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import bridle
from bridle.errors import RegularizationWarning, UsageError

# the frameworks warn of their own use of torch and of small machines; none of it is bridle's
pytestmark = pytest.mark.filterwarnings("ignore")


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

    def fit(module, callback, epochs=2, path=None, others=(), **options):
        options = {"enable_checkpointing": False} | options
        trainer = pl.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            callbacks=[callback, *others],
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


def others_of(name):
    from lightning.pytorch import callbacks

    made = {
        "swa": (callbacks.StochasticWeightAveraging, {"swa_lrs": 0.01, "swa_epoch_start": 1}),
        "average": (getattr(callbacks, "WeightAveraging", None), {}),
        "ema": (getattr(callbacks, "EMAWeightAveraging", None), {}),
        "support": (
            getattr(callbacks, "WeightAveraging", None),
            {"avg_fn": bridle.SupportAverage(0.5)},
        ),
        "tickets": (callbacks.ModelPruning, {"pruning_fn": "l1_unstructured", "amount": 0.5}),
        "pruning": (
            callbacks.ModelPruning,
            {
                "pruning_fn": "l1_unstructured",
                "amount": 0.5,
                "use_lottery_ticket_hypothesis": False,
            },
        ),
    }
    kind, options = made[name]
    if kind is None:
        pytest.skip("this Lightning has no such callback")
    return [kind(**options)]


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("swa", "StochasticWeightAveraging takes .* last epoch is lost"),
        ("average", r"WeightAveraging ends with averages.*SupportAverage\(\)"),
        ("ema", "EMAWeightAveraging ends with averages"),
        ("tickets", "ModelPruning sets .* to earlier values"),
    ],
)
def test_a_callback_that_undoes_penalties_is_warned_of(lightning, name, match):
    Module, BridleCallback, fit = lightning
    with pytest.warns(RegularizationWarning, match=match) as warned:
        fit(Module(), BridleCallback({"*": bridle.L1(0.5)}), others=others_of(name))
    assert sum(issubclass(each.category, RegularizationWarning) for each in warned) == 1


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("support", RULES),
        ("pruning", RULES),
        ("average", DROP),
        ("swa", DROP),
        ("average", {"*": bridle.L2(0.1)}),
        ("ema", {"*": bridle.WeightDecay(0.1)}),
        ("swa", {"*": bridle.MaxNorm(3.0)}),
    ],
)
def test_other_callbacks_and_rules_are_not_warned_of(lightning, name, rules):
    Module, BridleCallback, fit = lightning
    module = Module(Plain() if rules is DROP else None)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RegularizationWarning)
        fit(module, BridleCallback(rules), others=others_of(name))
    assert is_clean(module)
    if rules is RULES:
        assert has_zeros(module)
