"""Forward hooks that apply noise in any module; parameters, names and keys do not change."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, distributed as dist, nn
from torch.nn.utils.rnn import PackedSequence

from bridle.errors import UsageError
from bridle.modules.folding import refuse_folding
from bridle.modules.placed import Placed, let_compilers_see_places
from bridle.modules.step_counter import StepCounter
from bridle.modules.streams import noises_in
from bridle.modules.traced_graphs import let_tracers_see_hooks
from bridle.noise import DropConnect, Multiplier, Scheduled, WeightDrop

__all__ = [
    "UnitNoise",
    "WeightNoise",
    "is_on_weights",
    "let_compilers_see_hooks",
    "noises_of",
    "parameters_of",
]


def is_on_weights(noise: Any) -> bool:
    """Whether a noise acts on weights, scheduled or not."""
    inner = noise.noise if isinstance(noise, Scheduled) else noise
    return isinstance(inner, DropConnect | WeightDrop)


def _rank() -> tuple[int, int]:
    """Return this process's rank and the number of processes."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def let_compilers_see_hooks() -> None:
    """Make ``torch.compile`` compile again where a model's hooks differ, and ``torch.fx`` look.

    By default torch 2.13 reuses compiled code for a model that differs only in its hooks. The noise
    of such a model would be left out without a word.
    """
    import torch._dynamo  # loaded with the first optimizer, if not before

    let_compilers_see_places()
    let_tracers_see_hooks()
    # setting the attribute acts in this thread and context alone
    setting = vars(torch._dynamo.config)["_config"]["skip_nnmodule_hook_guards"]
    if setting.default or torch._dynamo.config.skip_nnmodule_hook_guards:
        setting.default = torch._dynamo.config.skip_nnmodule_hook_guards = False
        torch._dynamo.reset()  # what was compiled before does not look at hooks


class _HookNoise(Placed):
    """What noises by hooks share: a process that loads them from a file needs the guards, too."""

    def process(self) -> tuple[int, int]:
        """Return this process's rank and the number of processes."""
        return _rank()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        let_compilers_see_hooks()


class UnitNoise(_HookNoise):
    """Noise on a module's input or output."""

    def __init__(self, name: str, noise: Multiplier, *, where: str, seed: int, stream: int) -> None:
        self.name = name
        self.noise = noise
        self.where = where
        self.counter = StepCounter(name, seed, stream)

    def __str__(self) -> str:
        return f"{self.noise} {self.where} {self.name or 'the model'}"

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for a copy; refuse one that folds what comes after the noise."""
        if self.where == "after" and not self.noise.inverted:
            refuse_folding(self)
        return super().__getstate__()

    def install(self, module: nn.Module) -> list[Any]:
        """Register the hook on a module; return the handles that remove it."""
        self.module = module
        if self.where == "after":
            return [module.register_forward_hook(self.after)]
        return [module.register_forward_pre_hook(self.before, with_kwargs=True)]

    def after(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:  # noqa: ARG002
        """Return the output with noise on its first tensor."""
        return self._on_first(output, self._act(module))

    def before(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the inputs with noise on the first one."""
        if kwargs is None:  # so torch.ao registers it, a second time, when it fuses modules
            raise UsageError(
                f"{self}: its module was fused, and has the noise twice: call receipt.undo() "
                "before modules are fused, and regularize the result"
            )
        act = self._act(module)
        if args:
            return (self._on_first(args[0], act), *args[1:]), kwargs
        return args, self._on_first(kwargs, act)

    def _act(self, module: nn.Module) -> Callable[[Tensor | PackedSequence], Tensor]:
        if not module.training:
            return self._predict
        if not torch.compiler.is_compiling() and type(module) is not type(self.module):
            self._check_swapped(module)
        return self._train

    def _check_swapped(self, module: nn.Module) -> None:
        """Refuse a module that is in training mode only because it is new."""
        if not self.module.training:
            raise UsageError(
                f"{self}: a {module._get_name()} took the place of its module, and is in "
                "training mode although that one was not, so the noise would act at prediction: "
                "call model.eval() on the new model"
            )

    def _predict(self, x: Tensor | PackedSequence) -> Tensor:
        return self.noise.predict(x.data if isinstance(x, PackedSequence) else x)

    def _train(self, x: Tensor | PackedSequence) -> Tensor:
        turn = self.turn()
        if isinstance(x, Tensor):
            self._check_dense(x)
        if isinstance(x, PackedSequence):
            address = self.counter.advance(x.data.device)
            y = self.train_packed(self.noise, x, address, turn)
        else:
            address = self.counter.advance(x.device)
            y = self.train_units(self.noise, x, address, turn)
        self.watch(y, address)
        return y

    def _check_dense(self, x: Tensor) -> None:
        """Refuse an activation whose entries no mask can address."""
        kind = str(x.dtype).removeprefix("torch.") if x.dtype.itemsize == 1 else ""
        if x.is_nested:
            kind = "nested"
        elif x.layout != torch.strided:
            kind = str(x.layout).removeprefix("torch.")
        if kind:
            raise UsageError(
                f"dropout {self.where} {self.name!r} got a {kind} tensor; it needs a dense one of "
                "float16, bfloat16, float32 or float64: convert it (to_padded_tensor, to_dense, "
                "float) before the noise"
            )

    def _on_first(self, value: Any, act: Callable[[Tensor | PackedSequence], Tensor]) -> Any:
        """Return a module's input or output with its first tensor replaced by ``act`` of it."""
        if isinstance(value, Tensor) and value.is_floating_point() and value.ndim:
            return act(value)
        if isinstance(value, PackedSequence):
            return value._replace(data=act(value))
        if isinstance(value, torch.fx.Proxy):  # what torch.fx traces, which needs evaluation mode
            return act(value)  # type: ignore[arg-type]
        if isinstance(value, tuple) and value:
            parts = [self._on_first(value[0], act), *value[1:]]
            return value._make(parts) if hasattr(value, "_make") else tuple(parts)
        if isinstance(value, Mapping) and value:
            name = next(iter(value))
            changed = {**value, name: self._on_first(value[name], act)}
            if isinstance(value, defaultdict):
                return defaultdict(value.default_factory, changed)
            if type(value) in (dict, OrderedDict):  # with keys of any kind
                return OrderedDict(changed) if isinstance(value, OrderedDict) else changed
            return type(value)(**changed)
        kind = f"{value.dtype} tensor" if isinstance(value, Tensor) else type(value).__name__
        raise UsageError(
            f"dropout {self.where} {self.name!r} got a {kind}; it needs a "
            "floating-point tensor, or a tuple or mapping whose first value is one"
        )


class WeightNoise(_HookNoise):
    """DropConnect or weight-drop on one weight of a module.

    During the module's forward, the masked weight shadows the parameter. The parameter, its name
    and the state do not change.
    """

    where = "on"

    def __init__(
        self,
        name: str,
        noise: Multiplier,
        *,
        host: nn.Module,
        attribute: str,
        seed: int,
        stream: int,
    ) -> None:
        self.name = name
        self.noise = noise
        self.host = host
        self.attribute = attribute
        self._covered = False
        self.counter = StepCounter(name, seed, stream)

    def __str__(self) -> str:
        return f"{self.noise} on {self.name}"

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for a copy; refuse one whose bias becomes a batch norm's shift."""
        if self.attribute == "bias" and not self.noise.inverted:
            refuse_folding(self)
        return super().__getstate__()

    def install(self, module: nn.Module) -> list[Any]:
        """Register the hooks on the module whose forward reads the weight; return the handles."""
        self.module = module
        return [
            module.register_forward_pre_hook(self.cover),
            module.register_forward_hook(self.uncover, always_call=True),
        ]

    def cover(self, module: nn.Module, args: tuple[Any, ...]) -> None:  # noqa: ARG002
        """Let the masked weight shadow the parameter."""
        weight = self.host._parameters.get(self.attribute)
        if weight is None or module is not self.module:
            self._check_replaced(module, weight)
            return
        if isinstance(self.host, nn.RNNBase):
            self.host._update_flat_weights()  # functional_call has replaced the parameters
        if self.host.training:
            turn, address = self.turn(), self.counter.advance(weight.device)
            masked = self.train_weight(self.noise, weight, address, turn)
            self.watch(masked, address)
        else:
            masked = self.noise.predict(weight)
        if masked is weight:
            return
        if torch.fx._symbolic_trace.is_fx_symbolic_tracing():
            raise UsageError(
                f"{self}: torch.fx would record the scaled weight as a constant: trace the model "
                "before it is regularized, or use scaling='inverted'"
            )
        if isinstance(self.host, nn.RNNBase):  # which reads its weights from a list
            place = self.host._flat_weights_names.index(self.attribute)
            weights = list(self.host._flat_weights)
            weights[place] = masked
            self.host._flat_weights = weights
        else:
            self._covered = True
            object.__setattr__(self.host, self.attribute, masked)

    def _check_replaced(self, module: nn.Module, weight: Tensor | None) -> None:
        """Refuse a module that reads another weight than the one which is masked."""
        if weight is not None and not module.training and self.noise.predict(weight) is weight:
            return
        what = (
            f"a {module._get_name()} took the place of the module that reads the weight"
            if weight is not None
            else "the weight is no longer a parameter of its module"
        )
        raise UsageError(
            f"{self}: {what}, so the noise cannot act: call receipt.undo() before the model is "
            "quantized, pruned, parametrized or replicated, and regularize the result; for "
            "prediction without scaling='classic', model.eval() is enough"
        )

    def uncover(self, module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG002
        """Remove the masked weight."""
        if isinstance(self.host, nn.RNNBase):
            weights = list(self.host._flat_weights)
            place = self.host._flat_weights_names.index(self.attribute)
            weights[place] = self.host._parameters[self.attribute]
            self.host._flat_weights = weights
        elif self._covered:
            self._covered = False
            self.host.__dict__.pop(self.attribute)  # not delattr, which compilers cannot trace


def noises_of(model: nn.Module) -> list[UnitNoise | WeightNoise]:
    """Return the noises of a model's hooks, in the model's order."""
    return [
        noise
        for _, noise in noises_in(model)
        if isinstance(noise, UnitNoise | WeightNoise) and noise.where != "in"
    ]


def parameters_of(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return a model's parameters and its noises' learned rates, by name."""
    learned = {
        f"rate {noise.where} {noise.name}": noise.noise.learned
        for noise in noises_of(model)
        if noise.noise.learned is not None
    }
    return dict(model.named_parameters()) | learned
