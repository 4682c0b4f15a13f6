"""A second process, which imports scikit-learn while this one imports torch.

Both imports take seconds, and a process imports one module at a time.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from pkgutil import resolve_name
from typing import Any

__all__ = ["begin_beside", "begin_call", "can_start", "is_running", "start"]

_IMPORTED = ("sklearn.model_selection", "sklearn.ensemble")
_UNSAFE = ("numpy", "torch")  # they may have threads and locks, which a forked process lacks

_pipes: list[Any] = []
"""The pipe to the second process, if there is one."""


def can_start() -> bool:
    """Return whether a second process can be forked here, and has a core of its own."""
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return False
    return threading.active_count() == 1 and not any(name in sys.modules for name in _UNSAFE)


def start() -> None:
    """Start the second process if :func:`can_start`; it ends with this one, however that ends.

    It is for programs, which start it before they import anything large. Without it,
    :func:`begin_call` calls in this process.
    """
    if _pipes or not can_start():
        return
    from multiprocessing import get_context

    context = get_context("fork")
    own, other = context.Pipe()
    context.Process(target=_serve, args=(other, own, os.getpid()), daemon=True).start()
    other.close()
    _pipes.append(own)


def is_running() -> bool:
    """Return whether there is a second process, so that what it is asked costs no time here."""
    return bool(_pipes)


def begin_call(name: str, *arguments: Any, **named: Any) -> Callable[[], Any]:
    """Begin to call a function in the second process.

    Calls are answered in their order, so get the result of one before you begin the next.

    Parameters
    ----------
    name : str
        Its module and its name, such as "sklearn.model_selection:train_test_split".
    *arguments, **named
        What it is called with; they are pickled.

    Returns
    -------
    callable
        Waits for the result, and returns it or raises the function's error. Without a second
        process, it calls the function.

    Examples
    --------
    >>> begin_call("math:hypot", 3, 4)()
    5.0
    """
    call = name, arguments, named
    for pipe in _pipes:
        try:
            pipe.send(call)
        except OSError:  # the process was ended
            _pipes.clear()
    return lambda: _result(*call)


def begin_beside(name: str, *arguments: Any, **named: Any) -> Callable[[], Any]:
    """Begin to call a function in the second process, or in a thread if there is none.

    It is for a process whose own work leaves time, such as one that waits for workers. A process
    that ends does not wait for the thread.

    Examples
    --------
    >>> begin_beside("math:hypot", 3, 4)()
    5.0
    """
    if _pipes:
        return begin_call(name, *arguments, **named)
    for module in _IMPORTED:  # two threads that import at once may meet half of a module
        import_module(module)
    future: Future[Any] = Future()

    def answer() -> None:
        try:
            future.set_result(resolve_name(name)(*arguments, **named))
        except BaseException as error:  # it is raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=answer, daemon=True).start()
    return future.result


def _result(name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    for pipe in _pipes:
        try:
            found, error = pipe.recv()
        except (EOFError, OSError):
            _pipes.clear()
            break
        if error is not None:
            raise error
        return found
    return resolve_name(name)(*arguments, **named)


def _serve(pipe: Any, other: Any, first: int) -> None:
    """Answer calls until the first process ends; an interrupt is its matter."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with(first)
    other.close()
    gc.disable()
    for module in _IMPORTED:
        import_module(module)
    gc.freeze()
    gc.enable()
    while True:
        try:
            name, arguments, named = pipe.recv()
        except EOFError:
            return
        answer: tuple[Any, Exception | None]
        try:
            answer = resolve_name(name)(*arguments, **named), None
        except Exception as error:
            answer = None, error
        pipe.send(answer)


_SET_DEATH_SIGNAL = 1
"""``PR_SET_PDEATHSIG`` of Linux's ``prctl``."""


def _end_with(first: int) -> None:
    """Let Linux kill this process when its first one ends, also in the middle of an import."""
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != first:  # which ended before
        os._exit(0)
