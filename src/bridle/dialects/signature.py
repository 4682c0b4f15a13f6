"""A call's path and arguments, read from text such as ``torch.optim.SGD(params, lr=0.001)``."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from bridle.errors import DataError

__all__ = ["Signature"]


@dataclass(frozen=True)
class Signature:
    """The path of something that can be called, and its arguments."""

    path: tuple[str, ...]
    arguments: tuple[str, ...]
    """Every argument, in order."""
    positional: int
    """How many of them can be given by position."""
    defaults: Mapping[str, object]
    """The defaults of the arguments that have one."""

    @staticmethod
    @cache
    def parse(call: str) -> Signature:
        """Read a signature.

        Raises
        ------
        DataError
            If it is not a dotted path with arguments in parentheses, or a default is no literal.
        """
        path, opened, rest = call.partition("(")
        try:
            definition = ast.parse(f"def _{opened}{rest}: ...").body[0]
            assert isinstance(definition, ast.FunctionDef)  # noqa: S101
            found = definition.args
            places = [each.arg for each in (*found.posonlyargs, *found.args)]
            keywords = [each.arg for each in found.kwonlyargs]
            values = [None] * (len(places) - len(found.defaults)) + found.defaults
            pairs = zip(places + keywords, values + found.kw_defaults, strict=True)
            defaults = {name: ast.literal_eval(v) for name, v in pairs if v is not None}
        except (SyntaxError, ValueError, AssertionError) as error:
            raise DataError(
                f"call is {call!r}; it must be like 'torch.nn.Dropout(p=0.5)'"
            ) from error
        names = tuple(path.split("."))
        arguments = (*places, *keywords)
        if len(set(arguments)) < len(arguments) or found.vararg or found.kwarg:
            raise DataError(f"call is {call!r}; it must have each argument once, and no *args")
        if not all(name.isidentifier() for name in names):
            raise DataError(f"call is {call!r}; its path must be like 'torch.nn.Dropout'")
        return Signature(names, arguments, len(places), defaults)
