"""skorch: ``NeuralNetClassifier(..., callbacks=[("bridle", BridleCallback(rules))])``."""

from __future__ import annotations

from typing import Any

try:
    from skorch.callbacks import Callback
except ImportError as error:
    raise ImportError("skorch is not installed: pip install 'bridle[skorch]'") from error

from bridle.integrations.session import Session
from bridle.modules.regularize import Receipt, Rules

__all__ = ["BridleCallback"]


class BridleCallback(Callback):
    """Regularizes a net's module while it is fitted.

    Noises and penalties go in when fitting begins and come out when it ends, by Ctrl-C too, so
    that the trained module is the plain one. Another ``partial_fit`` of the same module draws the
    masks that follow. Its arguments are parameters of the net: ``callbacks__bridle__rules``, as a
    grid search needs them.

    Parameters
    ----------
    rules : mapping of selector to a rule, or to a sequence of rules
        See :func:`bridle.regularize`; names are those of ``net.module_``.
    seed : int
        Of the masks.
    mode, metric : str
        How penalties act; see :func:`bridle.attach`.

    Raises
    ------
    UsageError
        When fitting begins, if the rules do not fit the module.

    Examples
    --------
    >>> import bridle
    >>> from bridle.integrations.skorch import BridleCallback
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
        self.session_ = Session()  # skorch takes a name without the underscore for an argument

    @property
    def receipt(self) -> Receipt | None:
        """What was put where; None when nothing is fitted."""
        return self.session_.receipt

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        """Put the regularizers in."""
        self.session_.begin(
            net.module_,
            [net.optimizer_],
            self.rules,
            seed=self.seed,
            mode=self.mode,
            metric=self.metric,
        )

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        """Take them out."""
        self.session_.end()
