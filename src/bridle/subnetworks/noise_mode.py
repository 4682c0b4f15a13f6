"""A mode in which torch's own dropout acts in evaluation, with masks at addresses.

Modules keep their mode. Calls of dropout functions are seen whether a module, a function or
attention makes them, and whatever ``training`` they are given.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from bridle.modules.scaled_attention import attend
from bridle.modules.torch_dropout import addressed_dropout, addressed_rrelu
from bridle.ops import address_of
from bridle.subnetworks.recurrent_noise import RECURRENT, run_recurrent

__all__ = ["NoiseCall", "NoiseMode", "shifted_rows"]


@dataclass(frozen=True)
class NoiseCall:
    """One call of a dropout or random function, with the modules that were running.

    Attributes
    ----------
    rate : float or None
        The probability to drop; None for a random function.
    modules : tuple of Module
        From the model to the module that made the call.
    """

    rate: float | None
    modules: tuple[nn.Module, ...]


def shifted_rows(count: int, start: int, batch: int, device: torch.device) -> Tensor | None:
    """Return the addresses of ``count`` rows of a batch that starts at row ``start`` of the data.

    If the rows are several for each example, as in attention, so are the rows before. If they are
    not the batch's, they count from 0.
    """
    if start == 0 or batch == 0 or count % batch:
        return None
    return torch.arange(count, device=device) + start * (count // batch)


class NoiseMode(TorchFunctionMode):
    """Computes a subnetwork: each call of a dropout function has a stream of its own.

    Parameters
    ----------
    seed : int
        The seed of the masks.
    stream : int
        The stream of the first call of a pass.
    """

    def __init__(self, seed: int, stream: int) -> None:
        super().__init__()
        self.seed, self.stream = seed, stream
        self.act = True
        self.running: list[nn.Module] = []
        self.calls: list[NoiseCall] | None = None
        self.begin(0)

    def begin(self, step: int, start: int = 0, batch: int = 0) -> None:
        """Begin a pass: subnetwork ``step``, on a batch of examples from row ``start``."""
        self._step, self._start, self._batch = step, start, batch
        self._count = 0

    def next_address(self, device: torch.device) -> Tensor:
        """Return the address of the next call, int64 ``[3]``."""
        self._count += 1
        return address_of(self.seed, self.stream + self._count - 1, self._step).to(device)

    def rows(self, x: Tensor) -> Tensor | None:
        """Return the row addresses of a tensor's first axis; None for 0, 1, 2, …."""
        return shifted_rows(len(x), self._start, self._batch, x.device) if x.ndim > 1 else None

    def record(self, rate: float | None) -> None:
        """Note a call, if calls are noted."""
        if self.calls is not None:
            self.calls.append(NoiseCall(rate, tuple(self.running)))

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run a function of torch's, with noise if it is one of dropout."""
        handler = _HANDLERS.get(func)
        if handler is None:
            return func(*args, **(kwargs or {}))
        return handler(self, func, args, kwargs or {})


def _is_plain(x: Any) -> bool:
    return (
        isinstance(x, Tensor)
        and type(x) in (Tensor, nn.Parameter)
        and x.is_floating_point()
        and x.layout is torch.strided
        and not x.is_nested
    )


@lru_cache
def _signature(func: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(func)


def _bind(func: Callable[..., Any], args: Any, kwargs: Any) -> dict[str, Any]:
    bound = _signature(func).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def _of_function(kind: str) -> Any:
    """Return the handler of a dropout function of ``torch.nn.functional``."""

    def handle(mode: NoiseMode, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        given = _bind(func, args, kwargs)
        x, p = given["input"], given["p"]
        return _drop(mode, kind, x, p, given["inplace"], lambda: func(x, p, training=True))

    return handle


def _of_builtin(kind: str, *, inplace: bool = False) -> Any:
    """Return the handler of a compiled function ``(input, p, train)``."""

    def handle(mode: NoiseMode, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        x, p = (
            args[at] if len(args) > at else kwargs[name] for at, name in enumerate(("input", "p"))
        )
        if func in _NATIVE:  # returns the mask, too
            y = _drop(mode, kind, x, p, False, lambda: func(x, p, True)[0])
            return y, y != 0
        return _drop(mode, kind, x, p, inplace, lambda: func(x, p, True))

    return handle


def _drop(
    mode: NoiseMode, kind: str, x: Tensor, p: float, inplace: bool, own: Callable[[], Tensor]
) -> Tensor:
    if p == 0:
        return x
    mode.record(p)
    address = mode.next_address(x.device if isinstance(x, Tensor) else torch.device("cpu"))
    if not mode.act:
        return x
    if not _is_plain(x):  # a nested tensor, for example: torch's masks, from its own generator
        return own()
    y = addressed_dropout(kind, x, p, address, mode.rows(x))
    return x.copy_(y) if inplace else y


def _rrelu(mode: NoiseMode, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    given = _bind(func, args, kwargs)
    x, lower, upper = given["input"], given["lower"], given["upper"]
    mode.record(None)
    address = mode.next_address(x.device)
    if not mode.act or lower == upper:
        return func(x, lower, upper, False, given["inplace"])
    y = addressed_rrelu(x, lower, upper, address, mode.rows(x))
    return x.copy_(y) if given["inplace"] else y


def _attention(mode: NoiseMode, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    given = dict(zip(names, args, strict=False)) | kwargs
    p = given.pop("dropout_p", 0.0)
    mode.record(p)
    if p == 0:
        return func(*args, **kwargs)
    query = given["query"]
    address = mode.next_address(query.device)
    if not mode.act:
        return func(**given)
    if not all(_is_plain(given[name]) for name in ("query", "key", "value")):
        return func(**given, dropout_p=p)
    return attend(**given, drop=lambda x: addressed_dropout("dropout", x, p, address, mode.rows(x)))


def _multi_head_attention(
    mode: NoiseMode,
    func: Callable[..., Any],  # noqa: ARG001
    args: Any,
    kwargs: Any,
) -> Any:
    given = _bind(functional.multi_head_attention_forward, args, kwargs)
    given["training"] = True
    with mode:
        return _without_overrides()(**given)


@lru_cache
def _without_overrides() -> Callable[..., Any]:
    """Return torch's function of attention, whose inner calls the mode sees one by one."""
    function: Any = functional.multi_head_attention_forward
    scope = {**vars(functional), "has_torch_function": lambda _: False}
    copied = types.FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, function.__closure__
    )
    copied.__kwdefaults__ = function.__kwdefaults__
    return copied


def _recurrent(mode: NoiseMode, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    at = 4 if isinstance(args[3], bool) else 5  # packed sequences have one more argument
    layers, p = args[at : at + 2]
    if p == 0 or layers == 1:
        return func(*args, **kwargs)
    mode.record(p)
    addresses = [mode.next_address(args[0].device) for _ in range(layers - 1)]
    if not mode.act:
        return func(*args, **kwargs)
    return run_recurrent(
        func,
        args,
        lambda x, layer: addressed_dropout("dropout", x, p, addresses[layer], mode.rows(x)),
    )


def _random(mode: NoiseMode, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    mode.record(None)
    return func(*args, **kwargs)


_NATIVE = {torch.native_dropout, torch.ops.aten.native_dropout.default}
_BUILTINS = ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
_RANDOM = (
    *(torch.rand, torch.rand_like, torch.randn, torch.randn_like, torch.bernoulli, torch.normal),
    *(torch.Tensor.bernoulli, torch.Tensor.bernoulli_, torch.Tensor.uniform_),
    *(torch.Tensor.normal_, torch.randint, torch.multinomial),
)

_HANDLERS: dict[Any, Any] = {
    **{
        getattr(functional, kind): _of_function(kind)
        for kind in ("dropout", "dropout1d", "dropout2d")
    },
    **{getattr(functional, kind): _of_function(kind) for kind in ("dropout3d", *_BUILTINS[2:])},
    **{getattr(torch, kind): _of_builtin(kind) for kind in _BUILTINS},
    **{getattr(torch, f"{kind}_"): _of_builtin(kind, inplace=True) for kind in _BUILTINS},
    **{getattr(torch.ops.aten, kind).default: _of_builtin(kind) for kind in _BUILTINS},
    **{each: _of_builtin("dropout") for each in _NATIVE},
    functional.rrelu: _rrelu,
    functional.scaled_dot_product_attention: _attention,
    torch.ops.aten.scaled_dot_product_attention.default: _attention,
    functional.multi_head_attention_forward: _multi_head_attention,
    **dict.fromkeys(RECURRENT, _recurrent),
    **dict.fromkeys(_RANDOM, _random),
}
