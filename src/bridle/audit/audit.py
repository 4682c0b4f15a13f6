"""``audit``: the checks, in order, on copies."""

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

__all__ = ["audit"]


def audit(
    model: nn.Module, optimizer: torch.optim.Optimizer, batch: Any, *, loss: Loss | None = None
) -> Audit:
    """Prove that each regularizer acts, by real steps on copies of a model and its optimizer.

    Measures the effect of every penalty on every parameter, whichever way it acts: in the loss, by
    the optimizer's ``weight_decay``, or attached by bridle, and compares it with its formula. Sees
    which noises run, how much they keep, and whether they rest in evaluation. Model, optimizer,
    gradients and random state stay as they are.

    Parameters
    ----------
    model : torch.nn.Module
        Data-parallel and compiled wrappers are looked through.
    optimizer : torch.optim.Optimizer
        Over the model's parameters.
    batch : any
        What ``loss`` takes; ``(X, y)`` for the default.
    loss : callable, optional
        ``loss(model, batch) -> scalar``: the whole loss that you train with, penalties of your own
        included. It must use the model that it is given. Default: the cross-entropy for integer
        ``y``, else the mean squared error.

    Returns
    -------
    Audit
        Prints as tables; ``passed``, ``exit_code`` and ``to_dict()`` are for machines. Fails on a
        penalty without effect or with another than its formula's, on two L2 penalties for one
        parameter, on noise that rests in training or acts in evaluation, on equal masks by step
        or rank, and on parameters that model and optimizer do not share. Warns of decayed biases
        and norms, and of L2 inside Adam.

    Raises
    ------
    UsageError
        If the model cannot be copied, or the loss uses another model than the one it is given.

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
            "loss(model, batch) works on the original model and not on the one that it is given: "
            "use its first argument throughout"
        )
    return Audit(tuple(effects), tuple(noises), tuple(findings + more))


def _default_loss(model: nn.Module, batch: Any) -> Tensor:
    try:
        X, y = batch
    except (TypeError, ValueError):
        raise UsageError(
            f"the batch is a {type(batch).__name__} and not (X, y): give loss=… that takes it"
        ) from None
    outputs = model(X)
    if not isinstance(outputs, Tensor):
        raise UsageError(
            f"the model gives a {type(outputs).__name__} and not a tensor: give loss=… for it"
        )
    if y.dtype in (torch.int64, torch.int32, torch.uint8, torch.bool):
        return F.cross_entropy(outputs.flatten(0, -2), y.flatten().long())
    return F.mse_loss(outputs.view(y.shape), y)
