"""``audit``: run all checks on copies of a model and its optimizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from bridle.audit.effects import dense
from bridle.audit.gradients import audit_gradients
from bridle.audit.noises import audit_noises
from bridle.audit.penalties import audit_penalties
from bridle.audit.records import Audit
from bridle.audit.sandbox import Loss, Sandbox
from bridle.audit.settings import settings_of
from bridle.audit.snapshot import Snapshot
from bridle.errors import UsageError
from bridle.modules.optimizers import optimizer_for
from bridle.modules.ranks import refuse_fully_sharded

__all__ = ["audit"]


def audit(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Any,
    *,
    loss: Loss | None = None,
    others: Sequence[torch.optim.Optimizer] = (),
) -> Audit:
    """Check that each regularizer acts, by real steps on copies of a model and its optimizer.

    The audit measures the effect of every penalty on every parameter and compares it with the
    formula. The penalty may be in the loss, the optimizer's ``weight_decay``, or attached by
    bridle. The audit also checks which noises run, what share they keep, whether they are off in
    evaluation mode, and whether the gradient belongs to the masks of the forward pass. Nothing
    changes: the model with its generators and counters, the optimizer, the random state.

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
    others : sequence of torch.optim.Optimizer
        The optimizers of the parameters that ``optimizer`` does not have. Audit each of them, too:
        an audit makes the steps of one optimizer.

    Returns
    -------
    Audit
        Prints as tables; programs use ``passed``, ``exit_code`` and ``to_dict()``. It fails if a
        penalty has no effect or an effect that differs from its formula, if a parameter has two L2
        penalties, if a target sparsity misses the share that is due, if noise is off in training or
        on in evaluation, if masks are equal across steps or ranks, if a gradient is not the
        derivative of the loss with the same random numbers, or if a parameter is in none of the
        optimizers. It warns if biases or normalization layers are decayed, and if L2 passes through
        Adam's scaling. ``checks`` lists the checks that could not be made, with the reason, and
        ``settings`` what other libraries' settings really do.

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
    refuse_fully_sharded(model)
    if not isinstance(others, Sequence):
        raise UsageError(f"others is a {type(others).__name__}; give a list of optimizers")
    optimizer = optimizer_for(optimizer, "coupled")
    with _unchanged(model, loss) as original, torch.enable_grad():
        sandbox = Sandbox(model, optimizer, batch, loss or _default_loss)
        sandbox.others = [optimizer_for(other, "coupled") for other in others]
        sandbox.check_loss()
        whole = audit_penalties(sandbox)
        settings = settings_of(sandbox.model, sandbox.optimizer)
        noises, part = audit_noises(sandbox, training=sandbox.model.training)
        settings += part.settings
        whole.findings += part.findings
        whole.checks += part.checks
        no_op = {each.subject for each in whole.findings if each.kind == "no-op penalty"}
        part = audit_gradients(sandbox, no_op)
        whole.findings += part.findings
        whole.checks += part.checks
    if original.was_used:
        raise UsageError(
            "loss(model, batch) uses the original model instead of its first argument, a copy: "
            "use its first argument throughout"
        )
    return Audit(
        tuple(whole.effects),
        tuple(noises),
        tuple(whole.findings),
        tuple(whole.checks),
        tuple(settings),
    )


class _Original:
    """The user's model: its gradients and buffers, and whether the loss has changed them."""

    def __init__(self, model: nn.Module) -> None:
        self.was_used = False
        self._grads = [
            (p, p.grad, p._version, None if p.grad is None else p.grad.clone())
            for p in model.parameters()
        ]
        self._buffers = [(b, b.detach().clone()) for b in model.buffers()]

    @torch.no_grad()
    def restore(self) -> None:
        """Set back what a loss that uses this model has changed."""
        for parameter, grad, version, kept in self._grads:
            moved = (
                kept is not None and grad is not None and not torch.equal(dense(kept), dense(grad))
            )
            if moved and grad is not None and kept is not None:
                grad.copy_(kept)
            if moved or parameter.grad is not grad or parameter._version != version:
                self.was_used = True
                parameter.grad = grad
        for buffer, kept in self._buffers:
            if not torch.equal(buffer.nan_to_num(), kept.nan_to_num()):
                self.was_used = True
                buffer.copy_(kept)


@contextmanager
def _unchanged(model: nn.Module, loss: Loss | None) -> Iterator[_Original]:
    """Set the model, the loss's state and all random generators back, also after an error."""
    original, state = _Original(model), Snapshot(model, loss)
    try:
        yield original
    finally:
        state.restore()
        original.restore()


def _default_loss(model: nn.Module, batch: Any) -> Tensor:
    try:
        if isinstance(batch, Mapping):
            raise TypeError
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
