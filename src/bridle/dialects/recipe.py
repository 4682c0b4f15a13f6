"""Reads a recipe such as ``torch.AdamW(weight_decay=0.1)`` without evaluating it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from bridle.dialects.conventions import OLD_NAMES
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
    keywords = {each.arg for each in call.keywords if each.arg}
    path = _path(call.func, text, keywords)
    framework = _framework(path, text, keywords)
    found = candidates(framework, path)
    if not found:
        hint = _near(framework, path[-1], keywords)
        raise UsageError(f"{framework.name!r} has no setting {path[-1]!r}; {hint}")
    given = _arguments(call, found[0])
    found = _chosen(found, given)
    # settings of one callable differ in the argument with the strength
    named = [each for each in found if _strength(each, given) is not None] or found
    if undecided := _choosers(named) - set(given):
        name = undecided.pop()
        choices = ", ".join(f"{name}={each.signature.defaults[name]!r}" for each in named)
        raise UsageError(
            f"the recipe of {'.'.join(path)} does not say {name}, which decides what the strength "
            f"means; add one of {choices}"
        )
    return Recipe(framework, named[0].called_with(given), given)


CHOOSERS = {"opt", "optim", "boosting", "booster", "regularizer"}
"""Arguments that choose what is used, by its name; a record is of one choice, its default."""


def _choosers(found: list[Setting]) -> set[str]:
    """Return the choosers in which settings differ."""
    defaults = [each.signature.defaults for each in found]
    return {name for name in CHOOSERS if len({each.get(name) for each in defaults}) > 1}


def _chosen(found: list[Setting], given: Mapping[str, object]) -> list[Setting]:
    """Return the settings of what the recipe chooses by its name."""
    for name in sorted(CHOOSERS & set(given)):
        # "adamw_torch" is another implementation of "adamw_torch_fused"
        kind = str(given[name]).lower().partition("_")[0]
        known = [each.signature.defaults.get(name) for each in found]
        found = [
            each
            for each, choice in zip(found, known, strict=True)
            if str(choice).partition("_")[0] == kind
        ]
        if not found:
            raise UsageError(
                f"there is no record of {name}={given[name]!r}; there are those of "
                f"{name}={', '.join(map(repr, known))}. Name what it uses, such as torch.optim.SGD"
            )
    return found


def _near(framework: Framework, last: str, keywords: set[str]) -> str:
    """Return the names that could be meant, or the callables that have the given arguments."""
    settings = framework.settings
    hint = did_you_mean(last, [each.name for each in settings])
    for each in settings:
        if each.argument in keywords and hint.startswith("there are"):
            path = ".".join(each.signature.path)
            return f"{each.argument!r} is an argument of {path}; {hint}"
    return hint


def _strength(setting: Setting, given: Mapping[str, object]) -> str | None:
    names = (setting.argument, getattr(setting, "opposite_argument", None))
    return next((name for name in names if name in given), None)


def candidates(framework: Framework, path: tuple[str, ...]) -> list[Setting]:
    """Return the settings that a path names: by its whole, or by its last part."""
    # Keras has functions beside its classes
    last = OLD_NAMES.get(f"{framework.name}.{path[-1]}", path[-1]).rpartition(".")[2]
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


def _path(node: ast.expr, text: str, keywords: set[str]) -> tuple[str, ...]:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or not parts:
        owners = _owners(node.id, keywords) if isinstance(node, ast.Name) else ""
        example = "write 'torch.Dropout(p=0.5)'"
        raise UsageError(f"the recipe {text[:80]!r} names no framework; {owners or example}")
    return (node.id, *reversed(parts))


def _framework(path: tuple[str, ...], text: str, keywords: set[str]) -> Framework:
    for each in frameworks():  # "tf.keras" is two parts
        for alias in each.aliases:
            parts = tuple(alias.split("."))
            if path[: len(parts)] == parts and len(path) > len(parts):
                return each
    try:
        return find(path[0])
    except UsageError as error:
        owners = _owners(path[-1], keywords)
        # a name as short as "nn" resembles any
        said = f"there is no framework {path[0]!r}" if owners and len(path[0]) < 4 else str(error)
        raise UsageError(
            f"{said} (in the recipe {text[:80]!r}){'; ' if owners else ''}{owners}"
        ) from None


def _owners(last: str, keywords: set[str]) -> str:
    """Say which frameworks have a setting of that name; "" if none has."""
    found = {each.name: candidates(each, (last,)) for each in frameworks()}
    names = [name for name, settings in found.items() if settings]
    if not names:
        return ""
    fitting = [n for n in names if keywords <= set(found[n][0].signature.arguments)] or names
    known = "torch" if "torch" in fitting else fitting[0]
    return f"{last!r} is a setting of {', '.join(names)}; write '{known}.{last}(…)', for example"


def _arguments(call: ast.Call, setting: Setting) -> dict[str, object]:
    signature = setting.signature
    call = _without_penalty(call, setting)
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
            _refuse_groups(name, node)
            continue  # such as model.parameters()
        if name not in signature.defaults and name in _OBJECTS:
            raise UsageError(
                f"{name} is {value!r} in the recipe, and it is the first argument of "
                f"{'.'.join(signature.path)}; name the others: {setting.argument}=…"
            )
        given[name] = value
    return given


def _refuse_groups(name: str, node: ast.expr) -> None:
    """Refuse parameter groups with settings of their own, which one line cannot keep."""
    for each in ast.walk(node):
        keys: list[str] = []
        if isinstance(each, ast.Dict):
            keys = ["**" if key is None else ast.unparse(key).strip("'") for key in each.keys]
        elif isinstance(each, ast.Call) and ast.unparse(each.func) == "dict":
            keys = [keyword.arg or "**" for keyword in each.keywords]
        if own := [key for key in keys if key not in {"params", name}]:
            raise UsageError(
                f"{name} has a group with {own[0]} of its own in the recipe; translate each group "
                "as a recipe of its own, and write the groups there"
            )


def _without_penalty(call: ast.Call, setting: Setting) -> ast.Call:
    """Return a call in which l1_ratio says what LogisticRegression's older penalty does."""
    if setting.name != "LogisticRegression":
        return call
    kept = [each for each in call.keywords if each.arg != "penalty"]
    for each in call.keywords:
        if each.arg != "penalty":
            continue
        ratios = {"'l1'": 1.0, "'l2'": 0.0, "'elasticnet'": None}
        if (penalty := ast.unparse(each.value)) not in ratios:
            raise UsageError(
                f"penalty is {penalty} in the recipe; it must be 'l1', 'l2' or 'elasticnet'"
            )
        ratio = ratios[penalty]
        if ratio is not None:
            kept = [one for one in kept if one.arg != "l1_ratio"]  # scikit-learn ignores it
            kept.append(ast.keyword(arg="l1_ratio", value=ast.Constant(ratio)))
        elif "l1_ratio" not in {one.arg for one in kept}:
            raise UsageError("penalty is 'elasticnet' in the recipe; add l1_ratio=…")
    return ast.Call(call.func, call.args, kept)


_OBJECTS = {"params", "parameters", "model", "dls", "learner", "input", "x", "query", "tensor"}
"""Required arguments that are never numbers."""
