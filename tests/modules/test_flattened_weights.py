"""``FullyShardedDataParallel`` (FSDP1) keeps weights in one flat tensor: penalties are refused."""

import pytest
import torch
from torch import distributed as dist, nn
from torch.distributed.fsdp import FullyShardedDataParallel

import bridle
from bridle.errors import UsageError


@pytest.fixture
def alone():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("use_orig_params", [True, False])
@pytest.mark.parametrize("rule", [bridle.L1(0.1), bridle.SortedL1.oscar(0.1, 0.1),
                                  bridle.Sparsity(0.5, ramp=10)], ids=str)  # fmt: skip
def test_penalties_of_flattened_weights_are_refused(alone, use_orig_params, rule):
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    receipt = bridle.regularize(model, {"*": rule, nn.ReLU: bridle.Dropout(keep_prob=0.5)})
    sharded = FullyShardedDataParallel(
        model, use_orig_params=use_orig_params, device_id=torch.device("cpu")
    )
    optimizer = torch.optim.SGD(sharded.parameters(), lr=0.1)
    for attach in (lambda: receipt.attach(optimizer),
                   lambda: bridle.attach(optimizer, {"*": rule}, model=sharded)):  # fmt: skip
        with pytest.raises(UsageError, match=r"fully_shard \(FSDP2\)"):
            attach()
    x = torch.randn(3, 4)
    assert not torch.equal(sharded(x), sharded(x))  # the noise acts


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("use_orig_params", [True, False])
def test_a_weight_beside_flattened_ones_is_penalized(alone, use_orig_params):
    body = FullyShardedDataParallel(
        nn.Linear(4, 8), use_orig_params=use_orig_params, device_id=torch.device("cpu")
    )
    model = nn.Sequential(body, nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model[1].parameters(), lr=0.1)
    bridle.regularize(model, {"1.weight": bridle.L1(0.1)}, optimizer=optimizer)
    before = model[1].weight.detach().clone()
    model[1].weight.grad = torch.zeros_like(before)
    optimizer.step()
    torch.testing.assert_close(
        model[1].weight.detach(), before.sign() * (before.abs() - 0.01).clamp(min=0)
    )
