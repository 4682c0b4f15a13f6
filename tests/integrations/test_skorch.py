"""skorch's callback: it acts, goes on in ``partial_fit``, and leaves nothing behind."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from integration_helpers import DROP, RULES, Plain, X, Y, body, has_zeros, is_clean, same
from torch import nn

import bridle

# the frameworks warn of their own use of torch and of small machines; none of it is bridle's
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def skorch():
    pytest.importorskip("skorch")
    from skorch import NeuralNetClassifier

    from bridle.integrations.skorch import BridleCallback

    def net(inner, rules, **options):
        return NeuralNetClassifier(
            inner,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            lr=0.01,
            batch_size=16,
            callbacks=[("bridle", BridleCallback(rules))],
            **{"max_epochs": 4, "verbose": 0} | options,
        )

    return net


def test_skorch_acts_and_leaves_nothing(skorch):
    net = skorch(body(), RULES).fit(X.numpy(), Y.numpy())
    assert has_zeros(net.module_)
    assert is_clean(net.module_)
    again = pickle.loads(pickle.dumps(net))
    assert np.array_equal(again.predict(X.numpy()), net.predict(X.numpy()))


def test_skorch_drops_in_training_only(skorch):
    net = skorch(Plain(), DROP).fit(X.numpy(), Y.numpy())
    assert all(0.3 < share < 0.7 for share in net.module_.watch.seen[True])
    assert net.module_.watch.seen[False]
    assert not any(net.module_.watch.seen[False])


def test_skorch_draws_the_masks_that_follow(skorch):
    torch.manual_seed(0)
    whole = skorch(body(), RULES, max_epochs=4, train_split=None).fit(X.numpy(), Y.numpy())
    parts = skorch(body(), RULES, max_epochs=1, train_split=None)
    for _ in range(4):
        parts.partial_fit(X.numpy(), Y.numpy())
    assert same(whole.module_, parts.module_)


def test_skorch_in_a_grid_search(skorch):
    from sklearn.model_selection import GridSearchCV

    choices = [{"*": bridle.L1(0.0)}, {"*": bridle.L1(50.0)}]
    search = GridSearchCV(
        skorch(body(), RULES), {"callbacks__bridle__rules": choices}, cv=2, scoring="accuracy"
    )
    search.fit(X.numpy(), Y.numpy())
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] > scores[1]
    assert repr(search.best_params_["callbacks__bridle__rules"]) == repr(choices[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.predict(X.numpy())
