"""Lightning: ``Trainer(callbacks=[BridleCallback(rules)])``."""

from __future__ import annotations

from typing import Any

try:
    from lightning import pytorch as pl
except ImportError:
    try:
        import pytorch_lightning as pl
    except ImportError as error:
        raise ImportError("Lightning is not installed: pip install 'bridle[lightning]'") from error

from bridle.integrations.session import Session
from bridle.modules.regularize import Receipt, Rules

__all__ = ["BridleCallback"]


class BridleCallback(pl.Callback):
    """Regularizes a LightningModule while it is fitted.

    Noises and penalties go in when fitting begins and come out when it ends, by an error too, so
    that the trained module is the plain one. Checkpoints hold the steps of the masks, and a run
    that goes on from one draws the masks of the run that was never stopped.

    Parameters
    ----------
    rules : mapping of selector to a rule, or to a sequence of rules
        See :func:`bridle.regularize`; names are those of the LightningModule.
    seed : int
        Of the masks.
    mode, metric : str
        How penalties act; see :func:`bridle.attach`. With several optimizers, each weight is
        penalized by the one that has it.

    Raises
    ------
    UsageError
        When fitting begins, if the rules do not fit the model or its optimizers.

    Examples
    --------
    >>> import bridle
    >>> from bridle.integrations.lightning import BridleCallback
    >>> callback = BridleCallback({"*": bridle.L1(1e-4)})
    >>> callback.receipt is None  # until fitting begins
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
        """What was put where; None when nothing is fitted."""
        return self._session.receipt

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the regularizers in."""
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
        pl.utilities.rank_zero_info(f"bridle:\n{receipt}")

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Take them out."""
        self._session.end()

    def on_exception(
        self,
        trainer: pl.Trainer,  # noqa: ARG002
        pl_module: pl.LightningModule,  # noqa: ARG002
        exception: BaseException,  # noqa: ARG002
    ) -> None:
        """Take them out."""
        self._session.end()

    def state_dict(self) -> dict[str, Any]:
        """Return the steps of the masks, for a checkpoint."""
        return {} if self.receipt is None else {"steps": self.receipt.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint when fitting begins."""
        self._loaded = state_dict.get("steps")
