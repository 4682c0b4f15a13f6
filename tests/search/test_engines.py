"""The search on a cluster of Dask and on Ray, both on loopback: the same result."""

import numpy as np
import pytest
from test_search import FAST, a_table

import bridle

# both warn of their own use of other packages
pytestmark = pytest.mark.filterwarnings("ignore")

OPTIONS = FAST | {"memory": "3MB"}  # which makes jobs enough for two workers


@pytest.fixture(scope="module")
def scores():
    return _scores(bridle.search(a_table(), "y", **OPTIONS))


def _scores(found):
    return found.configurations.sort_values("id")["score"].to_numpy()


def test_two_workers_of_dask(scores):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1"}
    with (
        distributed.LocalCluster(dashboard_address=None, **options) as cluster,
        distributed.Client(cluster),
    ):
        found = bridle.search(a_table(), "y", engine="dask", **OPTIONS)
    assert np.allclose(_scores(found), scores, atol=1e-6)


def test_ray(scores):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        found = bridle.search(a_table(), "y", engine="ray", **OPTIONS)
    finally:
        ray.shutdown()
    assert np.allclose(_scores(found), scores, atol=1e-6)
