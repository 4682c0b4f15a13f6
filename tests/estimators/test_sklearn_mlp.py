"""scikit-learn's own tests of its MLPs, from the installed package, run on bridle's classes.

Every test of that module runs, except those in ``ABSENT``, which test scikit-learn's internals.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import bridle

ABSENT = {
    "test_gradient": "calls _loss_grad_lbfgs, which is not public; test_perceptron compares our "
    "gradient with autograd's, for each activation, loss and mask",
}
IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor"


def _tests():
    found = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    if found is None or found.origin is None:
        pytest.skip("scikit-learn is installed without its tests", allow_module_level=True)
    source = Path(found.origin).read_text()
    assert IMPORT in source
    names = {"__name__": __name__, "__file__": found.origin}
    names |= {"MLPClassifier": bridle.MLPClassifier, "MLPRegressor": bridle.MLPRegressor}
    exec(compile(source.replace(IMPORT, ""), found.origin, "exec"), names)
    tests = {name: value for name, value in names.items() if name.startswith("test_")}
    assert len(tests) >= 40
    for name in ABSENT:  # fails if a test no longer exists: remove it from the list
        del tests[name]
    return tests


globals().update(_tests())
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def seeded():
    """Some of the tests train from NumPy's own state, and expect to converge."""
    np.random.seed(0)


@pytest.fixture
def global_random_seed():
    return 42
