"""scikit-learn's own tests of its networks, from the installed package, with our classes in them.

Left out is what speaks of its inside alone: ``test_gradient`` calls ``_loss_grad_lbfgs``; our
gradient is compared with autograd's in test_estimators.
"""

import importlib.util
from pathlib import Path

import pytest

import bridle

ABSENT = {"test_gradient"}
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
    return {
        name: value
        for name, value in names.items()
        if name.startswith("test_") and name not in ABSENT
    }


globals().update(_tests())
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def global_random_seed():
    return 42
