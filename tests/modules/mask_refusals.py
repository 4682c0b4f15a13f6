"""Programs in which the mask of a pass is unknown, and what is said about each."""

import functools

import torch
from mask_features import Rerun, safe, twice


class RerunWithGraph(Rerun):
    """Its forward pass is not seen, since nothing tells it from an ordinary one."""

    @staticmethod
    def forward(ctx, run, x):
        ctx.run = run
        ctx.save_for_backward(x)
        with torch.enable_grad():
            return run(x).detach()


class RerunWithoutContext(torch.autograd.Function):
    @staticmethod
    def forward(run, x):
        return run(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.run = inputs[0]
        ctx.save_for_backward(inputs[1])

    backward = staticmethod(Rerun.backward)


class OnlyBackward(Rerun):
    """It runs the net in its backward pass alone."""

    @staticmethod
    def forward(ctx, run, x):
        ctx.run = run
        ctx.save_for_backward(x)
        return x[:, :1] * 1


def more_often_recomputed(net):
    calls = []

    def run(x):
        with torch.no_grad():
            for _ in calls:
                net(x)
        calls.append(None)
        return net(x) ** 2

    return lambda x: safe(run, x)


REFUSED = {
    "custom-function-module-twice": (
        lambda net: functools.partial(Rerun.apply, twice(net)),
        "ran 2 times in the forward pass of Rerun, .* ambiguous",
    ),
    "custom-function-with-graph": (
        lambda net: functools.partial(RerunWithGraph.apply, net),
        "without torch.enable_grad",
    ),
    "custom-function-without-context": (
        lambda net: functools.partial(RerunWithoutContext.apply, net),
        r"run it in forward\(ctx, ...\) too",
    ),
    "custom-function-only-backward": (
        lambda net: functools.partial(OnlyBackward.apply, net),
        "runs in OnlyBackward.backward, but did not run in the forward pass",
    ),
    "checkpoint-runs-more-often": (more_often_recomputed, "more often in the recomputation"),
}
