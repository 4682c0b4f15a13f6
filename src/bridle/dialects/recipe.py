"""Reads a recipe such as ``torch.AdamW(weight_decay=0.1)`` without evaluating it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from bridle.dialects.records import Framework, find, frameworks
from bridle.dialects.settings import Setting
from bridle.errors import UsageError, did_you_mean

__all__ = ["Recipe", "candidates", "read_recipe"]


@dataclass(frozen=True)
class Recipe:
    """A setting with the arguments of a call."""

    framework: Framework
    setting: Setting
    """With what the arguments change of its meaning."""
    given: Mapping[str, object]
    """The literals of the call, by argument."""

    @property
    def name(self) -> str:
        """The name of the setting, with its framework."""
        return f"{self.framework.name}.{self.setting.name}"


def read_recipe(text: str) -> Recipe:
    """Return the setting and the arguments of a call.

    Raises
    ------
    UsageError
        If it is no call, if an argument is unknown or no literal, or if there is no such setting.
    """
    call = _call(text)
    path = _path(call.func, text)
    framework = _framework(path, text)
    found = candidates(framework, path)
    if not found:
        known = [each.name for each in framework.settings]
        hint = did_you_mean(path[-1], known)
        raise UsageError(f"{framework.name!r} has no setting {path[-1]!r}; {hint}")
    given = _arguments(call, found[0])
    # settings of one callable differ in the argument with the strength
    named = [each for each in found if _strength(each, given) is not None] or found
    return Recipe(framework, named[0].called_with(given), given)


def _strength(setting: Setting, given: Mapping[str, object]) -> str | None:
    names = (setting.argument, getattr(setting, "opposite_argument", None))
    return next((name for name in names if name in given), None)


def candidates(framework: Framework, path: tuple[str, ...]) -> list[Setting]:
    """Return the settings that a path names: by its whole, or by its last part."""
    last = path[-1]
    exact = [each for each in framework.settings if each.signature.path[-len(path) :] == path]
    named = [each for each in framework.settings if each.name == last]
    ends = [each for each in framework.settings if each.signature.path[-1] == last]
    if len(path) > 2 and exact:
        return exact
    return [*named, *(each for each in ends if each not in named)] or exact


def _call(text: str) -> ast.Call:
    if not isinstance(text, str):
        raise UsageError(f"the recipe is {text!r}; write a call such as 'torch.Dropout(p=0.5)'")
    try:
        found = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(
            f"the recipe {text[:80]!r} is no call; write one such as 'torch.Dropout(p=0.5)'"
        ) from error
    if not isinstance(found, ast.Call):
        raise UsageError(
            f"the recipe {text[:80]!r} is no call; write one such as 'torch.Dropout(p=0.5)'"
        )
    return found


def _path(node: ast.expr, text: str) -> tuple[str, ...]:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or not parts:
        owners = _owners(node.id) if isinstance(node, ast.Name) else ""
        example = "write 'torch.Dropout(p=0.5)'"
        raise UsageError(f"the recipe {text[:80]!r} names no framework; {owners or example}")
    return (node.id, *reversed(parts))


def _framework(path: tuple[str, ...], text: str) -> Framework:
    for each in frameworks():  # "tf.keras" is two parts
        for alias in each.aliases:
            parts = tuple(alias.split("."))
            if path[: len(parts)] == parts and len(path) > len(parts):
                return each
    try:
        return find(path[0])
    except UsageError as error:
        owners = _owners(path[-1])
        raise UsageError(
            f"{error} (in the recipe {text[:80]!r}){'; ' if owners else ''}{owners}"
        ) from None


def _owners(last: str) -> str:
    """Say which frameworks have a setting of that name; "" if none has."""
    found = [each.name for each in frameworks() if candidates(each, (last,))]
    if not found:
        return ""
    known = "torch" if "torch" in found else found[0]
    return f"{last!r} is a setting of {', '.join(found)}; write '{known}.{last}(…)', for example"


def _arguments(call: ast.Call, setting: Setting) -> dict[str, object]:
    signature = setting.signature
    if len(call.args) > signature.positional:
        raise UsageError(
            f"{'.'.join(signature.path)} takes {signature.positional} arguments by position, and "
            f"the recipe has {len(call.args)}; its arguments: {', '.join(signature.arguments)}"
        )
    pairs: list[tuple[str, ast.expr]] = []
    places = list(zip(signature.arguments, call.args, strict=False))
    for name, node in [*places, *((each.arg, each.value) for each in call.keywords)]:
        if name is None or isinstance(node, ast.Starred):
            raise UsageError("the recipe has a * argument; write each argument out")
        if name not in signature.arguments:
            raise UsageError(
                f"{'.'.join(signature.path)} has no argument {name!r} in the record; its "
                f"arguments: {', '.join(signature.arguments)}"
            )
        if name in dict(pairs):
            raise UsageError(f"the recipe gives {name!r} twice; give it once")
        pairs.append((name, node))
    given: dict[str, object] = {}
    for name, node in pairs:
        try:
            value = ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            if name in signature.defaults or name == setting.argument:
                raise UsageError(
                    f"{name} is {ast.unparse(node)[:80]!r} in the recipe; write a number or "
                    "another literal, since a recipe is not evaluated"
                ) from None
            continue  # such as model.parameters()
        if name not in signature.defaults and name in _OBJECTS:
            raise UsageError(
                f"{name} is {value!r} in the recipe, and it is the first argument of "
                f"{'.'.join(signature.path)}; name the others: {setting.argument}=…"
            )
        given[name] = value
    return given


_OBJECTS = {"params", "parameters", "model", "dls", "learner", "input", "x", "query", "tensor"}
"""Required arguments that are never numbers."""
