"""The variants of the compiled CPU kernels: how one is chosen, and how a process runs them."""

import os
import subprocess
import sys

import pytest

from bridle.errors import UsageError
from bridle.ops import cpu

pytestmark = pytest.mark.skipif(
    cpu.variants() == ["torch"], reason="installed without compiled kernels"
)


def _python(code, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
    )


@pytest.mark.parametrize("name", cpu.variants())
def test_the_environment_forces_a_variant(name):
    code = "from bridle.ops import cpu; print(cpu.variant())"
    assert _python(code, BRIDLE_CPU=name).stdout.strip() == name


def test_an_unknown_variant_is_one_clear_error():
    ran = _python("from bridle.ops import dropout", BRIDLE_CPU="avx1024")
    assert ran.returncode != 0
    assert "'avx1024'" in ran.stderr
    assert "'torch'" in ran.stderr
    with pytest.raises(UsageError, match="'sse9'"):
        cpu.use_variant("sse9")


def test_without_compiled_kernels_it_says_so_once():
    code = """
import sys, warnings
sys.modules["bridle.ops._native"] = None
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as seen:
    import torch
    from bridle.ops import address_of, cpu, dropout
    for _ in range(3):
        dropout(torch.ones(2, 5), address_of(0), 0.5)
print(cpu.variants(), [str(w.message)[:52] for w in seen if w.category is RuntimeWarning])
"""
    expected = "['torch'] ['bridle was installed without its compiled kernels, s']"
    assert _python(code).stdout.strip() == expected
    assert _python(code, BRIDLE_CPU="torch").stdout.strip() == "['torch'] []"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_fork_after_threads_started():
    """The pool does not survive a fork: the child uses one thread, and does not hang."""
    code = """
import os, warnings
import torch
from bridle.ops import address_of, dropout
warnings.simplefilter("ignore")
torch.set_num_threads(2)
x = torch.randn(300, 400)
before = dropout(x, address_of(0), 0.5)
child = os.fork()
if child == 0:
    # torch's own kernels would wait for the lost pool, so NumPy compares
    after = dropout(x, address_of(0), 0.5)
    os._exit(0 if (after.numpy() == before.numpy()).all() else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert _python(code).stdout.strip() == "0"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_one_openmp_library_for_torch_and_bridle():
    code = """
import torch
from bridle.ops import cpu
maps = open("/proc/self/maps").read().split()
print(len({path for path in maps if "libgomp" in path or "libomp" in path or "libiomp" in path}))
"""
    assert _python(code).stdout.strip() == "1"
