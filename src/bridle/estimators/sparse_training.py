"""Target sparsity of the estimators: the weights that it acts on, and the length of its ramp."""

from __future__ import annotations

from bridle.errors import UsageError
from bridle.estimators.perceptron import Perceptron
from bridle.penalties import Grouping, Sparsity
from bridle.penalties.sparse_weights import SparseWeights

__all__ = ["sparse_weights_of"]

# of weights [inputs, units]
_AXES = {"units": Grouping.along(0), "inputs": Grouping.along(1)}


def sparse_weights_of(
    sparsity: float | Sparsity | None, network: Perceptron, *, steps: int, incremental: bool
) -> SparseWeights | None:
    """Return the weights that ``sparsity`` acts on, or None.

    Parameters
    ----------
    sparsity : float, Sparsity or None
    network : Perceptron
    steps : int
        The steps of a whole fit. The ramp of a float takes half of them.
    incremental : bool
        Whether training goes on after these steps, as in ``partial_fit``.

    Raises
    ------
    UsageError
        If the ramp is longer than the training, or a rule does not fit the estimators.
    """
    if sparsity is None:
        return None
    rule = sparsity
    if not isinstance(rule, Sparsity):
        rule = Sparsity(rule, ramp=max(1, steps // 2))
    if rule.penalty is not None:
        raise UsageError(
            f"sparsity is {rule}; the estimators take the penalty of the ramp by l1=, which ends "
            "with it"
        )
    if rule.end > steps and not incremental:
        raise UsageError(
            f"sparsity is {rule}, which is reached after {rule.end} steps, but max_iter allows "
            f"{steps}; raise max_iter, or lower ramp"
        )
    if rule.groups.by_module and rule.groups.name not in _AXES:
        raise UsageError(f"sparsity is {rule}, but the estimators have no {rule.groups.name}")
    weights = network.weights
    if rule.groups.name == "units":
        weights = weights[:-1]  # the outputs stay
        if not weights:
            raise UsageError(f"sparsity is {rule}, but there are no hidden units")
    groups = _AXES.get(rule.groups.name, rule.groups)
    return SparseWeights(rule, weights, [groups] * len(weights))
