"""Hugging Face Transformers: ``Trainer(callbacks=[BridleCallback(rules)])``."""

from __future__ import annotations

from typing import Any

try:
    from transformers import TrainerCallback
    from transformers.utils import logging
except ImportError as error:
    raise ImportError(
        "transformers is not installed: pip install accelerate transformers"
    ) from error

from bridle.integrations.session import Session
from bridle.modules.regularize import Receipt, Rules

__all__ = ["BridleCallback"]

_STATE = "bridle"


class BridleCallback(TrainerCallback):
    """Regularizes a model during ``Trainer.train``.

    Noises and penalties are added when training starts and removed when it ends, so the trained
    model is an unmodified one. The trainer's checkpoints contain the step of each mask: a resumed
    run has the same masks as an uninterrupted one. If training ends with an error,
    ``callback.receipt.undo()`` removes noises and penalties; the next training does so as well.

    Parameters
    ----------
    rules : mapping of selector to a rule, or to a sequence of rules
        See :func:`bridle.regularize`.
    seed : int
        The seed of the masks.
    mode, metric : str
        How penalties act; see :func:`bridle.attach`.

    Raises
    ------
    UsageError
        When training starts, if the rules do not fit the model.

    Examples
    --------
    >>> import bridle
    >>> from bridle.integrations.transformers import BridleCallback
    >>> callback = BridleCallback({"*": bridle.L1(1e-4)})
    >>> callback.receipt is None  # until training starts
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

    @property
    def receipt(self) -> Receipt | None:
        """The receipt of the current training; None when no training is running."""
        return self._session.receipt

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Add the noises and penalties."""
        optimizer = kwargs["optimizer"]
        receipt = self._session.begin(
            kwargs["model"],
            [getattr(optimizer, "optimizer", optimizer)],  # accelerate wraps it
            self.rules,
            seed=self.seed,
            mode=self.mode,
            metric=self.metric,
            steps=state.stateful_callbacks.get(_STATE) if state.global_step else None,
        )
        logging.get_logger(__name__).info(f"bridle:\n{receipt}")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Write the steps of the masks to the state that the trainer saves."""
        if self.receipt is not None:
            state.stateful_callbacks[_STATE] = self.receipt.state_dict()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Remove the noises and penalties."""
        self._session.end()
