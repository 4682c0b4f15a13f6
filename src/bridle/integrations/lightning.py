"""Lightning: ``Trainer(callbacks=[BridleCallback(rules)])``."""

from __future__ import annotations

import warnings
from typing import Any

from torch.optim.swa_utils import AveragedModel

try:
    from lightning import pytorch as pl
except ImportError:
    try:
        import pytorch_lightning as pl
    except ImportError as error:
        raise ImportError("Lightning is not installed: pip install lightning") from error

from bridle.errors import RegularizationWarning
from bridle.integrations.session import Session
from bridle.modules.averaging import SupportAverage
from bridle.modules.decaying import penalties_among
from bridle.modules.regularize import Receipt, Rules
from bridle.modules.rules import makes_zeros, plain
from bridle.penalties import Sparsity

__all__ = ["BridleCallback"]


class BridleCallback(pl.Callback):
    """Regularizes a LightningModule during ``fit``.

    Noises and penalties are added when fitting starts and removed when it ends, also after an
    error, so the trained module is an unmodified one. Checkpoints contain the step of each mask: a
    resumed run has the same masks as an uninterrupted one.

    Parameters
    ----------
    rules : mapping of selector to a rule, or to a sequence of rules
        See :func:`bridle.regularize`. Names are those of the LightningModule.
    seed : int
        The seed of the masks.
    mode, metric : str
        How penalties act; see :func:`bridle.attach`. With several optimizers, each penalty is
        attached to the optimizer that has the weight.

    Raises
    ------
    UsageError
        When fitting starts, if the rules do not fit the model or its optimizers.

    Warns
    -----
    RegularizationWarning
        When fitting starts, if another callback will replace what the penalties leave: Lightning's
        ``ModelPruning`` with lottery tickets; and, of penalties that make exact zeros, its
        ``StochasticWeightAveraging``, or its ``WeightAveraging`` unless it has
        ``avg_fn=bridle.SupportAverage()``.

    Examples
    --------
    >>> import bridle
    >>> from bridle.integrations.lightning import BridleCallback
    >>> callback = BridleCallback({"*": bridle.L1(1e-4)})
    >>> callback.receipt is None  # until fitting starts
    True
    """

    def __init__(
        self, rules: Rules, *, seed: int = 0, mode: str = "proximal", metric: str = "euclidean"
    ) -> None:
        self.rules = rules
        self.seed = seed
        self.mode = mode
        self.metric = metric
        self._session = Session()
        self._loaded: dict[str, int] | None = None

    @property
    def receipt(self) -> Receipt | None:
        """The receipt of the current fit; None when no fit is running."""
        return self._session.receipt

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the noises and penalties."""
        receipt = self._session.begin(
            pl_module,
            trainer.optimizers,
            self.rules,
            seed=self.seed,
            mode=self.mode,
            metric=self.metric,
            steps=self._loaded,
        )
        self._loaded = None
        if receipt.penalties:
            others = [each for each in trainer.callbacks if each is not self]
            _warn_of_others(others, zeros=self._makes_zeros(receipt))
        pl.utilities.rank_zero_info(f"bridle:\n{receipt}")

    def _makes_zeros(self, receipt: Receipt) -> bool:
        rules = [rule for each in receipt.penalties.values() for rule in each]
        if any(isinstance(rule, Sparsity) for rule in rules):
            return True
        proximal = penalties_among(rules) if self.mode == "proximal" else ()
        return any(makes_zeros(plain(rule)) for rule in proximal)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Remove the noises and penalties."""
        self._session.end()

    def on_exception(
        self,
        trainer: pl.Trainer,  # noqa: ARG002
        pl_module: pl.LightningModule,  # noqa: ARG002
        exception: BaseException,  # noqa: ARG002
    ) -> None:
        """Remove the noises and penalties."""
        self._session.end()

    def state_dict(self) -> dict[str, Any]:
        """Return the steps of the masks for a checkpoint."""
        return {} if self.receipt is None else {"steps": self.receipt.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the steps of a checkpoint until fitting starts."""
        self._loaded = state_dict.get("steps")


def _warn_of_others(callbacks: list[pl.Callback], *, zeros: bool) -> None:
    """Warn of callbacks that replace the weights which penalties have made."""
    for each in callbacks:
        kind, why = type(each).__name__, ""
        if zeros and isinstance(each, pl.callbacks.StochasticWeightAveraging):
            why = (
                "takes the weights at the start of each epoch into its average, so that the last "
                "epoch is lost, and exact zeros with it: use WeightAveraging(avg_fn="
                "bridle.SupportAverage())"
            )
        elif zeros and _averages(each):
            why = (
                "ends with averages, which are zero only where all averaged weights are: use "
                "WeightAveraging(avg_fn=bridle.SupportAverage()), with decay=... for a moving "
                "average"
            )
        elif isinstance(each, pl.callbacks.ModelPruning) and each._use_lottery_ticket_hypothesis:
            why = (
                "sets the weights that are left to earlier values after each pruning, also after "
                "the last one, which undoes the penalties: give "
                "use_lottery_ticket_hypothesis=False"
            )
        if why:
            warnings.warn(f"{kind} {why}", RegularizationWarning, stacklevel=3)


def _averages(callback: pl.Callback) -> bool:
    """Whether a callback holds averages of weights in which exact zeros do not survive."""
    return any(
        isinstance(held, AveragedModel)
        and not isinstance(getattr(held, "avg_fn", None), SupportAverage)
        for held in vars(callback).values()
    )
