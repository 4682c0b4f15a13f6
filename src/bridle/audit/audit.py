"""``audit``: run all checks on copies of a model and its optimizer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from bridle.audit.noises import audit_noises
from bridle.audit.penalties import audit_penalties
from bridle.audit.records import Audit
from bridle.audit.sandbox import Loss, Sandbox, preserved_random_state, unwrap
from bridle.errors import UsageError
from bridle.modules.optimizers import optimizer_for

__all__ = ["audit"]


def audit(
    model: nn.Module, optimizer: torch.optim.Optimizer, batch: Any, *, loss: Loss | None = None
) -> Audit:
    """Check that each regularizer acts, by real steps on copies of a model and its optimizer.

    The audit measures the effect of every penalty on every parameter and compares it with the
    formula. The penalty may be in the loss, the optimizer's ``weight_decay``, or attached by
    bridle. The audit also checks which noises run, what share they keep, and whether they are off
    in evaluation mode. Model, optimizer, gradients and random state do not change.

    Parameters
    ----------
    model : torch.nn.Module
        Data-parallel and compiled wrappers are unwrapped.
    optimizer : torch.optim.Optimizer
        The optimizer of the model's parameters.
    batch : any
        The second argument of ``loss``; ``(X, y)`` for the default loss.
    loss : callable, optional
        ``loss(model, batch) -> scalar``: the whole training loss, with any penalties that you add
        to it. It must use the model that it is given. Default: the cross-entropy for integer
        ``y``, else the mean squared error.

    Returns
    -------
    Audit
        Prints as tables; programs use ``passed``, ``exit_code`` and ``to_dict()``. It fails if a
        penalty has no effect or an effect that differs from its formula, if a parameter has two L2
        penalties, if noise is off in training or on in evaluation, if masks are equal across steps
        or ranks, or if the optimizer's parameters are not the model's. It warns if biases or
        normalization layers are decayed, and if L2 passes through Adam's scaling.

    Raises
    ------
    UsageError
        If the model cannot be copied, or if the loss does not use the model that it is given.

    Examples
    --------
    >>> import torch, bridle
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> attached = bridle.attach(optimizer, {"*": bridle.L1(1e-3)}, model=model)
    >>> audited = bridle.audit(model, optimizer, (torch.eye(4), torch.tensor([0, 1, 0, 1])))
    >>> audited.passed, [(effect.parameter, effect.route) for effect in audited.effects]
    (True, [('0.weight', 'prox'), ('2.weight', 'prox')])
    """
    inner = unwrap(model)
    optimizer = optimizer_for(optimizer, "coupled")
    originals = list(inner.parameters())
    before = [(p.grad, p._version, None if p.grad is None else p.grad.clone()) for p in originals]
    with preserved_random_state():
        sandbox = Sandbox(inner, optimizer, batch, loss or _default_loss)
        sandbox.check_loss()
        effects, findings = audit_penalties(sandbox)
        noises, more = audit_noises(sandbox)
    touched = False
    for parameter, (grad, version, kept) in zip(originals, before, strict=True):
        moved = kept is not None and grad is not None and not torch.equal(kept, grad)
        if parameter.grad is not grad or moved or parameter._version != version:
            touched = True
            if moved and grad is not None and kept is not None:
                grad.copy_(kept)
            parameter.grad = grad
    if touched:
        raise UsageError(
            "loss(model, batch) uses the original model instead of its first argument, a copy: "
            "use its first argument throughout"
        )
    return Audit(tuple(effects), tuple(noises), tuple(findings + more))


def _default_loss(model: nn.Module, batch: Any) -> Tensor:
    try:
        X, y = batch
    except (TypeError, ValueError):
        raise UsageError(
            f"the batch is a {type(batch).__name__} and not (X, y): give loss=, a function "
            "loss(model, batch) for it"
        ) from None
    outputs = model(X)
    if not isinstance(outputs, Tensor):
        raise UsageError(
            f"the model returns a {type(outputs).__name__} and not a tensor: give loss=, a "
            "function loss(model, batch) for it"
        )
    if y.dtype in (torch.int64, torch.int32, torch.uint8, torch.bool):
        return F.cross_entropy(outputs.flatten(0, -2), y.flatten().long())
    return F.mse_loss(outputs.view(y.shape), y)
