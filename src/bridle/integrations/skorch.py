"""skorch: ``NeuralNetClassifier(..., callbacks=[("bridle", BridleCallback(rules))])``."""

from __future__ import annotations

from typing import Any

try:
    from skorch.callbacks import Callback
except ImportError as error:
    raise ImportError("skorch is not installed: pip install skorch") from error

from bridle.integrations.session import Session
from bridle.modules.regularize import Receipt, Rules

__all__ = ["BridleCallback"]


class BridleCallback(Callback):
    """Regularizes a net's module during ``fit``.

    Noises and penalties are added when fitting starts and removed when it ends, also after Ctrl-C,
    so the trained module is an unmodified one. Another ``partial_fit`` of the same module continues
    the sequence of masks. The arguments are parameters of the net, such as
    ``callbacks__bridle__rules``, so a grid search can set them.

    Parameters
    ----------
    rules : mapping of selector to a rule, or to a sequence of rules
        See :func:`bridle.regularize`. Names are those of ``net.module_``.
    seed : int
        The seed of the masks.
    mode, metric : str
        How penalties act; see :func:`bridle.attach`.

    Raises
    ------
    UsageError
        When fitting starts, if the rules do not fit the module.

    Examples
    --------
    >>> import bridle
    >>> from bridle.integrations.skorch import BridleCallback
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
        self.session_ = Session()  # without the underscore, skorch takes it for an argument

    @property
    def receipt(self) -> Receipt | None:
        """The receipt of the current fit; None when no fit is running."""
        return self.session_.receipt

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        """Add the noises and penalties."""
        self.session_.begin(
            net.module_,
            [net.optimizer_],
            self.rules,
            seed=self.seed,
            mode=self.mode,
            metric=self.metric,
        )

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        """Remove the noises and penalties."""
        self.session_.end()
