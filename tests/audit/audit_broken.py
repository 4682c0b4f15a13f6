"""Scenarios in which a regularizer does not act as promised: the audit has to fail.

Each function returns ``(model, optimizer, batch, loss), kind``: the kind of a finding to expect.
"""

import torch
from audit_helpers import X, Y, cross_entropy, mlp, sgd, throw_away
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

import bridle

BATCH = (X, Y)
WRONG, IDLE, NO_OP = "wrong gradient", "noise inactive in training", "no-op penalty"


def _mask_of(seed, like):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(like.shape, generator=generator) < 0.5).to(like) * 2


class DrawsAgain(torch.autograd.Function):
    """Dropout whose backward pass draws its mask anew."""

    @staticmethod
    def forward(ctx, x):
        return x * (torch.rand_like(x) < 0.5) * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (torch.rand_like(gradient) < 0.5) * 2


class NextSeed(torch.autograd.Function):
    """Dropout whose backward pass uses the next seed's mask."""

    @staticmethod
    def forward(ctx, x, seed):
        ctx.seed = seed
        return x * _mask_of(seed, x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * _mask_of(ctx.seed + 1, gradient), None


class OneFactorShort(torch.autograd.Function):
    """Dropout whose backward pass forgets the factor 1 / keep_prob."""

    @staticmethod
    def forward(ctx, x):
        mask = torch.rand_like(x) < 0.8
        ctx.save_for_backward(mask)
        return x * mask / 0.8

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.saved_tensors[0]


class Broken(nn.Module):
    """A dropout module on one of the functions above, which rests in evaluation."""

    def __init__(self, function):
        super().__init__()
        self.function, self.calls = function, 0

    def forward(self, x):
        self.calls += 1
        if not self.training:
            return x
        return self.function(x, self.calls)


def _with(function, *more):
    model = mlp(Broken(function), *more)
    return (model, sgd(model), BATCH, None), WRONG


def draws_again():
    return _with(lambda x, _: DrawsAgain.apply(x))


def draws_again_beside_a_dropout_of_torch():
    return _with(lambda x, _: DrawsAgain.apply(x), nn.Dropout(0.5))


def next_seed():
    return _with(NextSeed.apply)


def one_factor_short():
    return _with(lambda x, _: OneFactorShort.apply(x))


def mask_without_a_gradient():
    return _with(lambda x, _: x + (x * (torch.rand_like(x) < 0.5) * 2 - x).detach())


def a_hundred_layers_and_one_broken():
    layers = []
    for _ in range(33):
        layers += [nn.Linear(24, 24), nn.LayerNorm(24), nn.Tanh()]
    layers.insert(50, Broken(NextSeed.apply))
    model = mlp(*layers)
    return (model, sgd(model), BATCH, None), WRONG


def functional():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(6, 24), nn.Linear(24, 3)

        def forward(self, x):
            x = self.one(x).relu()
            return self.two(DrawsAgain.apply(x) if self.training else x)

    model = Net()
    return (model, sgd(model), BATCH, None), WRONG


def on_weights():
    class Net(nn.Linear):
        def forward(self, x):
            weight = DrawsAgain.apply(self.weight) if self.training else self.weight
            return F.linear(x, weight, self.bias)

    model = nn.Sequential(Net(6, 24), nn.ReLU(), nn.Linear(24, 3))
    return (model, sgd(model), BATCH, None), WRONG


def numpy_in_the_backward_pass():
    import numpy as np

    class Numpy(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * torch.from_numpy(np.random.rand(*x.shape) < 0.5) * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient * torch.from_numpy(np.random.rand(*gradient.shape) < 0.5) * 2

    return _with(lambda x, _: Numpy.apply(x))


class Checkpointed(nn.Module):
    def __init__(self, body, **options):
        super().__init__()
        self.first, self.body, self.options = nn.Linear(6, 6), body, options

    def forward(self, x):
        return checkpoint(self.body, self.first(x), **self.options)


def checkpoint_without_the_random_state(rate=0.5, *, reentrant=False):
    model = Checkpointed(mlp(nn.Dropout(rate)), use_reentrant=reentrant, preserve_rng_state=False)
    return (model, sgd(model), BATCH, None), WRONG


def penalties_never_attached(step):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(6, 16), nn.ReLU())
            self.head = nn.Linear(16, 3)

        def forward(self, x):
            return self.head(self.encoder(x))

        def training_step(self, batch):
            return F.cross_entropy(self.head(self.encoder(batch[0])), batch[1])

    model = Net()
    throw_away(model, {"*": bridle.L1(0.1)})
    loss = (lambda m, b: m.training_step(b)) if step else None
    return (model, torch.optim.Adam(model.parameters()), BATCH, loss), NO_OP


def penalty_requested_for_a_wrapped_model():
    model = nn.DataParallel(mlp())
    throw_away(model, {"*": bridle.L1(0.1)})
    return (model, sgd(model), BATCH, None), NO_OP


def penalty_on_another_model_of_equal_names():
    a, b = mlp(), mlp()
    optimizer = sgd(nn.ModuleList([a, b]))
    throw_away(a, {"*": bridle.L1(0.1)})
    bridle.regularize(b, {"*": bridle.L1(0.1)}, optimizer=optimizer)
    return (a, optimizer, BATCH, None), NO_OP


def penalty_of_data_in_a_training_step():
    model = nn.ModuleDict({"body": mlp()})

    def loss(m, batch):
        penalty = sum(p.detach().square().sum() for p in m.parameters() if p.ndim > 1)
        return F.cross_entropy(m["body"](batch[0]), batch[1]) + 0.01 * penalty

    return (model, sgd(model), BATCH, loss), NO_OP


def penalty_of_strength_zero_with_lbfgs():
    model = mlp()
    optimizer = torch.optim.LBFGS(model.parameters())
    bridle.attach(optimizer, {"0.*": bridle.L2(0.0)}, model=model, mode="coupled")
    return (model, optimizer, BATCH, None), NO_OP


def dropout_in_evaluation():
    model = mlp(nn.Dropout(0.5))
    model[2].eval()
    return (model, sgd(model), BATCH, None), IDLE


def noise_of_bridle_in_evaluation():
    model = mlp()
    bridle.regularize(model, {nn.ReLU: bridle.Dropout(keep_prob=0.5)})
    model[1].eval()
    return (model, sgd(model), BATCH, None), IDLE


def drop_connect_in_evaluation():
    model = mlp()
    bridle.regularize(model, {"0": bridle.DropConnect(keep_prob=0.5)})
    model[0].eval()
    return (model, sgd(model), BATCH, None), IDLE


def attention_in_evaluation():
    model = nn.TransformerEncoderLayer(6, 2, 16, dropout=0.0, batch_first=True)
    model.self_attn.dropout = 0.5
    model = nn.Sequential(model, nn.Linear(6, 3))
    model[0].self_attn.eval()
    return (model, sgd(model), BATCH, None), IDLE


def trained_part_in_evaluation():
    model = nn.Sequential(mlp(nn.Dropout(0.5)), nn.Linear(3, 3))
    model[0].eval()
    return (model, sgd(model), BATCH, None), IDLE


def weight_written_after_the_noise():
    model = mlp()
    bridle.regularize(model, {"0": bridle.DropConnect(keep_prob=0.5)})

    def rewrite(module, args):
        object.__setattr__(module, "weight", module._parameters["weight"] * 1.0)

    model[0].register_forward_pre_hook(rewrite)
    return (model, sgd(model), BATCH, None), IDLE


def noise_at_a_forward_that_is_bypassed():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp()

        def forward(self, x):
            return self.body(x)

        def training_step(self, batch):
            return F.cross_entropy(self.body(batch[0]), batch[1])

    model = nn.Sequential(Net())
    bridle.regularize(model, {"0": bridle.Dropout(keep_prob=0.5)})
    return (model, sgd(model), BATCH, lambda m, b: m[0].training_step(b)), IDLE


def dropout_that_only_forward_calls():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.drop = mlp(), nn.Dropout(0.5)

        def forward(self, x):
            return self.body(self.drop(x))

    model = Net()
    loss = lambda m, b: F.cross_entropy(m.body(b[0]), b[1])  # noqa: E731
    return (model, sgd(model), BATCH, loss), IDLE


def functional_in_evaluation():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp()

        def forward(self, x):
            return F.alpha_dropout(self.body(x), 0.5, training=True)

    model = Net()
    return (model, sgd(model), BATCH, None), "functional noise ignores eval"


def a_seed_in_the_loss():
    model = mlp(nn.Dropout(0.5))

    def loss(m, batch):
        torch.manual_seed(0)
        return cross_entropy(m, batch)

    return (model, sgd(model), BATCH, loss), "equal masks"


BROKEN = {
    each.__name__: each
    for each in (
        draws_again, draws_again_beside_a_dropout_of_torch, next_seed, one_factor_short,
        a_hundred_layers_and_one_broken, functional, on_weights,
        numpy_in_the_backward_pass, checkpoint_without_the_random_state,
        penalty_requested_for_a_wrapped_model, penalty_on_another_model_of_equal_names,
        penalty_of_data_in_a_training_step, penalty_of_strength_zero_with_lbfgs,
        dropout_in_evaluation, noise_of_bridle_in_evaluation, drop_connect_in_evaluation,
        attention_in_evaluation, trained_part_in_evaluation, weight_written_after_the_noise,
        noise_at_a_forward_that_is_bypassed, dropout_that_only_forward_calls,
        functional_in_evaluation, a_seed_in_the_loss,
    )
}  # fmt: skip
BROKEN |= {
    "checkpoint_at_a_low_rate": lambda: checkpoint_without_the_random_state(0.05),
    "reentrant_checkpoint": lambda: checkpoint_without_the_random_state(reentrant=True),
    "never_attached": lambda: penalties_never_attached(step=False),
    "never_attached_with_a_training_step": lambda: penalties_never_attached(step=True),
}
