"""Hugging Face Transformers: ``Trainer(callbacks=[BridleCallback(rules)])``."""

from __future__ import annotations

from typing import Any

try:
    from transformers import TrainerCallback
    from transformers.utils import logging
except ImportError as error:
    raise ImportError(
        "transformers is not installed: pip install 'bridle[transformers]'"
    ) from error

from bridle.integrations.session import Session
from bridle.modules.regularize import Receipt, Rules

__all__ = ["BridleCallback"]

_STATE = "bridle"


class BridleCallback(TrainerCallback):
    """Regularizes a model while a ``Trainer`` trains it.

    Noises and penalties go in when training begins and come out when it ends, so that the trained
    model is the plain one. The trainer's checkpoints hold the steps of the masks, and a run that
    goes on from one draws the masks of the run that was never stopped. Where training ends by an
    error, ``callback.receipt.undo()`` takes them out; so does the next training.

    Parameters
    ----------
    rules : mapping of selector to a rule, or to a sequence of rules
        See :func:`bridle.regularize`.
    seed : int
        Of the masks.
    mode, metric : str
        How penalties act; see :func:`bridle.attach`.

    Raises
    ------
    UsageError
        When training begins, if the rules do not fit the model.

    Examples
    --------
    >>> import bridle
    >>> from bridle.integrations.transformers import BridleCallback
    >>> callback = BridleCallback({"*": bridle.L1(1e-4)})
    >>> callback.receipt is None  # until training begins
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
        """What was put where; None when nothing is trained."""
        return self._session.receipt

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Put the regularizers in."""
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
        """Note the steps of the masks in the state that the trainer saves."""
        if self.receipt is not None:
            state.stateful_callbacks[_STATE] = self.receipt.state_dict()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Take them out."""
        self._session.end()
