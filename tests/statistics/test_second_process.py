"""Calls of the second process are the calls themselves, also if it fails or was ended."""

import os
import subprocess
import sys
import time

import pytest

from bridle.statistics.second_process import begin_beside, begin_call, can_start

BEGIN = """
import multiprocessing, os, signal
from bridle.statistics.second_process import begin_call, can_start, start
can = can_start()
start()
here = begin_call("os:getpid")() == os.getpid()
"""

LINUX = sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1
needs_two_cores = pytest.mark.skipif(not LINUX, reason="one core, or no safe fork")


def _run(code):
    ran = subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True)
    return ran.stdout.split(), ran.stderr


def test_without_it_a_call_is_made_here():
    assert not can_start()  # the tests have imported numpy
    assert begin_call("os:getpid")() == os.getpid()
    with pytest.raises(ValueError, match="math domain error"):
        begin_call("math:sqrt", -1)()


def test_a_thread_answers_and_raises_in_its_place():
    assert begin_beside("math:hypot", 3, 4)() == 5
    with pytest.raises(ValueError, match="math domain error"):
        begin_beside("math:sqrt", -1)()


def test_a_process_that_is_interrupted_does_not_wait_for_its_thread():
    code = """
from bridle.statistics.second_process import begin_beside
begin_beside("time:sleep", 3600)
raise KeyboardInterrupt
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert "KeyboardInterrupt" in ran.stderr


@needs_two_cores
def test_it_answers_raises_and_survives_an_interrupt():
    code = """
child, = multiprocessing.active_children()
os.kill(child.pid, signal.SIGINT)
first, second = begin_call("math:hypot", 3, 4), begin_call("builtins:sorted", [1, 2], reverse=True)
print(can, here, first(), second()[0])
try:
    begin_call("math:sqrt", -1)()
except ValueError as error:
    print(error)
"""
    assert _run(code) == (["True", "False", "5.0", "2", "math", "domain", "error"], "")


@needs_two_cores
def test_if_it_is_ended_the_call_is_made_here():
    code = """
child, = multiprocessing.active_children()
waiting = begin_call("time:sleep", 60)
os.kill(child.pid, signal.SIGTERM)
child.join()
print(begin_call("os:getpid")() == os.getpid(), begin_call("math:hypot", 3, 4)())
"""
    assert _run(code) == (["True", "5.0"], "")


@needs_two_cores
def test_it_ends_with_a_killed_first_process_in_the_middle_of_its_work():
    code = """
begin_call("time:sleep", 60)
os.kill(os.getpid(), signal.SIGKILL)
"""
    began = time.monotonic()
    assert _run(code) == ([], "")  # reads the output until no process holds it open
    assert time.monotonic() - began < 40
