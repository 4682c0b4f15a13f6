"""Lightning: ``Trainer(callbacks=[BridleCallback(rules)])``."""

from __future__ import annotations

from typing import Any

try:
    from lightning import pytorch as pl
except ImportError:
    try:
        import pytorch_lightning as pl
    except ImportError as error:
        raise ImportError("Lightning is not installed: pip install lightning") from error

from bridle.integrations.session import Session
from bridle.modules.regularize import Receipt, Rules

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
        pl.utilities.rank_zero_info(f"bridle:\n{receipt}")

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
