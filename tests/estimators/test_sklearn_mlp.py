"""scikit-learn's own tests of its networks, from the installed package, with our classes in them.

Every test of that module runs, save those of ``ABSENT``, which speak of its inside alone.
"""

import importlib.util
from pathlib import Path

import pytest

import bridle

ABSENT = {
    "test_gradient": "calls _loss_grad_lbfgs, which is not public; test_estimators compares our "
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
    for name in ABSENT:  # one that is gone is to leave the list
        del tests[name]
    return tests


globals().update(_tests())
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def global_random_seed():
    return 42
