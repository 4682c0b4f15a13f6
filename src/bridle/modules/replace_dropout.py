"""``replace_dropout``: addressed masks in a model's own dropout modules, with a way to undo it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from bridle.errors import UsageError
from bridle.modules.attention_dropout import AttentionForward
from bridle.modules.effective import refuse_uncalled
from bridle.modules.noise_hooks import UnitNoise, let_compilers_see_hooks
from bridle.modules.streams import check_seed, free_streams, noises_in, seed_of
from bridle.modules.torch_dropout import KINDS, addressed_dropout, make_noise
from bridle.noise import Multiplier

__all__ = ["Replacement", "TorchDropout", "replace_dropout"]


_TORCH = {*KINDS, nn.MultiheadAttention}


def _identity(input: Tensor) -> Tensor:  # noqa: A002
    """Return the input: the forward of a replaced module, whose noise acts on its output."""
    return input


class TorchDropout(Multiplier):
    """The dropout of one of torch's modules, at the rate that the module has at the moment."""

    def __init__(self, module: nn.Module) -> None:
        self._module: Any = module
        attention = isinstance(module, nn.MultiheadAttention)
        self._attribute = "dropout" if attention else "p"
        self._kind = "dropout" if attention else KINDS[_torch_class(module)]
        self.multiplies = "alpha" not in self._kind
        self._made = make_noise(self._kind, 0.0)
        self._made_for = 0.0

    @property
    def rate(self) -> float:
        """The probability to drop that the module has at the moment."""
        rate: float = getattr(self._module, self._attribute)
        return rate

    def _now(self) -> Multiplier:
        if self._made_for != self.rate:
            self._made, self._made_for = make_noise(self._kind, self.rate), self.rate
        return self._made

    def __repr__(self) -> str:
        return f"{_torch_class(self._module).__name__}({self._attribute}={self.rate:g})"

    @property
    def keep_prob(self) -> float:
        """The keep probability that the module asks for."""
        return 1 - float(self.rate)

    @property
    def drawn_keep_prob(self) -> Any:
        """The keep probability of the masks: a multiple of 1/65536."""
        return 0.0 if self.rate == 1 else self._now().drawn_keep_prob

    def keep_at(self, address: Tensor) -> float:  # noqa: ARG002
        """Return the keep probability, which the module changes and not the address."""
        return self.keep_prob

    def train(self, x: Tensor, address: Tensor, *, rows: Tensor | None = None) -> Tensor:
        """Return ``x`` with the mask of an address applied, in place if the module says so."""
        module = self._module
        noise = None if self.rate in (0, 1) else self._now()
        y = addressed_dropout(self._kind, x, self.rate, address, rows, noise)
        return x.copy_(y) if getattr(module, "inplace", False) and y is not x else y

    def seen(self, x: Tensor, y: Tensor) -> Tensor:
        """Return which entries were kept; see :meth:`Multiplier.seen`."""
        return (y != 0)[x != 0].flatten() if self.rate == 1 else self._now().seen(x, y)


class _ReplacedNoise(UnitNoise):
    """The noise of a replaced module: like torch's, it takes anything in evaluation mode."""

    def __str__(self) -> str:
        return f"{self.noise} at {self.name or 'the model'}"

    def act_on(self, module: nn.Module) -> list[Any]:
        """Let the noise act in a module; return the handles of its hooks."""
        self.module = module
        if isinstance(module, nn.MultiheadAttention):
            vars(module)["forward"] = AttentionForward(module, self)
            return []
        vars(module)["forward"] = _identity
        # the noise acts before other hooks on the output, which see it as they did before
        return [module.register_forward_hook(self.after, prepend=True)]

    def after(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        """Return the output, with noise in training."""
        return super().after(module, args, output) if module.training else output


class Replacement:
    """What :func:`bridle.replace_dropout` did to a model; ``undo()`` restores it.

    Attributes
    ----------
    noises : list
        The noises of the replaced modules, in the model's order; each has a ``name``.
    left : dict of str to str
        By name, the modules whose dropout stays torch's, and why.

    Examples
    --------
    >>> import torch, bridle
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5))
    >>> replaced = bridle.replace_dropout(model, seed=1)
    >>> y = model(torch.ones(2, 4))
    >>> replaced.state_dict()
    {'after 1': 1, 'seed': 1}
    >>> replaced.undo()
    """

    def __init__(
        self,
        noises: list[UnitNoise],
        left: dict[str, str],
        modules: list[nn.Module],
        handles: list[Any],
    ) -> None:
        self.noises, self.left = noises, left
        self._modules, self._handles = modules, handles

    def __str__(self) -> str:
        """Return one line for each module that was replaced, and each that was left."""
        lines = [f"{noise} (stream {int(noise.counter.next_address[1])})" for noise in self.noises]
        lines += [f"left: {name or 'the model'}, {reason}" for name, reason in self.left.items()]
        return "\n".join(lines) or "no dropout replaced"

    def undo(self) -> None:
        """Give the modules torch's dropout back. A second call does nothing."""
        for handle in self._handles:
            handle.remove()
        for module in self._modules:
            vars(module).pop("forward", None)
        self.noises, self._modules, self._handles, self.left = [], [], [], {}

    def state_dict(self) -> dict[str, int]:
        """Return the step of each noise, so that a resumed run equals an uninterrupted one.

        It has the seed, too, if that is not 0.
        """
        steps = {f"{noise.where} {noise.name}": noise.counter.step for noise in self.noises}
        return steps | seed_of(self.noises)

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Restore the steps from a checkpoint.

        Raises
        ------
        UsageError
            If the checkpoint is of a model with other dropout, or was saved with another seed.
        """
        other = sorted((set(state) ^ set(self.state_dict())) - {"seed"})
        if other:
            raise UsageError(
                f"the checkpoint is of other dropout modules: they differ in {', '.join(other)}; "
                "replace the dropout of the same model"
            )
        check_seed(self.noises, state)
        for noise in self.noises:
            noise.counter.step = int(state[f"{noise.where} {noise.name}"])


def replace_dropout(model: nn.Module, *, seed: int = 0) -> Replacement:
    """Let a model's own dropout modules draw masks at addresses instead of torch's random masks.

    The masks are then reproducible: the same on CPU and GPU, for any number of threads, and after a
    resumed checkpoint. On the CPU they are faster. A mask has the address (``seed``, stream, step):
    each module has its own stream, and each call in training is a step, also if a pass calls a
    module several times. Modules, names, ``state_dict`` keys, types and rates do not change: a rate
    that is set later (``module.p = 0.3``) holds from then on, and ``inplace`` acts as before.

    ``Dropout``, ``Dropout1d``, ``Dropout2d``, ``Dropout3d``, ``AlphaDropout`` and
    ``FeatureAlphaDropout`` are replaced, and the dropout of the weights in
    ``nn.MultiheadAttention``: so all dropout of ``nn.TransformerEncoderLayer`` and
    ``nn.TransformerDecoderLayer``. Other dropout that is not a module cannot be: that between the
    layers of ``nn.LSTM``, ``nn.GRU`` and ``nn.RNN``, and that of functions. It is named in
    ``left``, as far as a module has its rate.

    Parameters
    ----------
    model : torch.nn.Module
    seed : int
        The seed of the masks.

    Returns
    -------
    Replacement
        Prints one line for each module that was replaced, and each that was left; ``undo()``
        restores the model.

    Raises
    ------
    UsageError
        If the model has no dropout modules, if they are already replaced, or if a hook that never
        runs computes the ``out_proj.weight`` of an attention module. The model is then unchanged.

    Examples
    --------
    >>> import torch, bridle
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.LSTM(8, 8, 2, dropout=0.1))
    >>> print(bridle.replace_dropout(model))
    Dropout(p=0.5) at 1 (stream 0)
    left: 2, LSTM applies its dropout=0.1 inside torch's recurrent function
    """
    chosen: dict[str, nn.Module] = {}
    left: dict[str, str] = {}
    for name, module in model.named_modules():
        reason = _reason_to_leave(module)
        if reason is None:
            chosen[name] = module
        elif reason:
            left[name] = reason
    again = [name for name, module in model.named_modules() if _is_replaced(module)]
    if again:
        raise UsageError(
            f"the dropout of {', '.join(map(repr, again))} is already replaced: call "
            "`replaced.undo()` first"
        )
    if not chosen:
        why = "".join(f"; {name or 'the model'}: {reason}" for name, reason in left.items())
        raise UsageError(
            f"{type(model).__name__} has no dropout modules to replace{why}: add noise with "
            "bridle.regularize(model, {...: bridle.Dropout(keep_prob=0.5)})"
        )
    for name, module in chosen.items():
        if isinstance(module, nn.MultiheadAttention):
            refuse_uncalled(f"{name}.out_proj".lstrip("."), module.out_proj, model)
    let_compilers_see_hooks()
    streams = free_streams(seed, (noise for _, noise in noises_in(model)))
    noises: list[UnitNoise] = []
    handles: list[Any] = []
    for stream, (name, module) in zip(streams, chosen.items(), strict=False):
        where = "in" if isinstance(module, nn.MultiheadAttention) else "after"
        noise = _ReplacedNoise(name, TorchDropout(module), where=where, seed=seed, stream=stream)
        noises.append(noise)
        handles += noise.act_on(module)
    return Replacement(noises, left, list(chosen.values()), handles)


def _torch_class(module: nn.Module) -> type[nn.Module]:
    """Return the class of torch's that a module of dropout has, or is derived from."""
    return next(each for each in type(module).__mro__ if each in _TORCH)


def _reason_to_leave(module: nn.Module) -> str | None:
    """Return why a module's dropout stays torch's; "" if it has none, and None to replace it."""
    kind = type(module).__name__
    if isinstance(module, nn.MultiheadAttention) and module.dropout == 0:
        return ""
    if isinstance(module, tuple(_TORCH)):
        if "forward" in vars(module) or type(module).forward is not _torch_class(module).forward:
            return "" if _is_replaced(module) else f"{kind} has a forward of its own"
        return None
    rates = dict(_rates(module))
    if not rates:
        return ""
    shown = ", ".join(f"{name}={rate:g}" for name, rate in rates.items())
    if isinstance(module, nn.RNNBase):
        return f"{kind} applies its {shown} inside torch's recurrent function"
    return f"{kind} has {shown}, and may apply it by a function"


def _is_replaced(module: nn.Module) -> bool:
    forward = vars(module).get("forward")
    return forward is _identity or isinstance(forward, AttentionForward)


def _rates(module: nn.Module) -> Iterator[tuple[str, float]]:
    """Yield a module's rates of dropout, without those of the modules of dropout in it."""
    if isinstance(module, nn.RNNBase) and module.num_layers == 1:
        return
    inside = {each.p for each in module.modules() if isinstance(each, tuple(KINDS))}
    for name, value in vars(module).items():
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        if "drop" in name.lower() and numeric and 0 < value <= 1 and value not in inside:
            yield name, value
