"""DropConnect on the table of an embedding."""

import pytest
import torch
from torch import nn

import bridle
from bridle.errors import UsageError

DROP = bridle.DropConnect(keep_prob=0.5)


@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
@pytest.mark.parametrize(("options", "message"), [
    ({"sparse": True}, "sparse=False"),
    ({"max_norm": 0.5}, "bridle.MaxNorm"),
])  # fmt: skip
def test_what_a_mask_would_lose_is_refused(kind, options, message):
    model = nn.Sequential(kind(10, 6, **options))
    with pytest.raises(UsageError, match=message):
        bridle.regularize(model, {"0": DROP})
    assert not model[0]._forward_pre_hooks
    if kind is nn.Embedding:  # whose output is one tensor for each index
        bridle.regularize(model, {"0": bridle.Dropout(keep_prob=0.5)})


def test_a_dense_table_is_masked_forward_and_backward():
    model = nn.Sequential(nn.Embedding(10, 6))
    bridle.regularize(model, {"0": DROP})
    index = torch.arange(10)
    mask = DROP.train(torch.ones(10, 6), bridle.address_of(seed=0, step=0))
    y = model(index)
    y.sum().backward()
    assert torch.equal(y, model[0].weight * mask)
    assert torch.equal(model[0].weight.grad, mask)
