"""Each noise under each transform of ``torch.func``, beside plain torch with an explicit mask."""

import pytest
import torch
from function_helpers import DTYPE, INPUTS, NOISES, ON_WEIGHTS, Case
from torch.autograd import forward_ad
from torch.func import grad, hessian, jacfwd, jacrev, jvp, stack_module_state, vjp, vmap
from torch.testing import assert_close

import bridle

ROWS, BATCH = 4, 3
BY_INDUCTOR = {"dropout", "concrete", "drop-connect", "weight-drop"}
"""One noise of each kind: the same graph is traced with both backends, and C++ takes its time."""

pytestmark = [  # of torch itself, where it loads its decompositions and runs a GRU cell by element
    pytest.mark.filterwarnings("ignore:`torch.jit.script.* is deprecated"),
    pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning"),
    pytest.mark.filterwarnings("ignore:`torch._prims_common.check` is deprecated"),
    pytest.mark.filterwarnings("ignore:.*thrown away before its learned rates"),
]


def _x(*shape):
    return torch.randn(*shape, INPUTS, dtype=DTYPE, generator=torch.Generator().manual_seed(1))


def _like(tensors, seed=2):
    source = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(t.shape, dtype=DTYPE, generator=source) for name, t in tensors.items()
    }


def _gradients(loss_of, params):
    leaves = {name: p.clone().requires_grad_() for name, p in params.items()}
    found = torch.autograd.grad(loss_of(leaves), list(leaves.values()))
    return dict(zip(leaves, found, strict=True))


def _pushed(function, params, tangents):
    """A Jacobian times tangents, by two backward passes."""
    names = list(params)
    return torch.autograd.functional.jvp(
        lambda *values: function(dict(zip(names, values, strict=True))),
        tuple(params.values()),
        tuple(tangents.values()),
    )


def _rows(case, element, rows=1):
    """The rows of one element of a batch, if the elements have different masks."""
    count = 1 if case.name in ON_WEIGHTS else rows
    return torch.arange(count) * BATCH + element


def func_grad(case):
    x, address = _x(ROWS), case.address
    expected = _gradients(lambda p: case.by_hand(p, x, address).square().sum(), case.params)
    assert_close(grad(case.loss)(case.params, x), expected)

    # the gradient of a function of the gradient
    def total(params):
        return sum(part.square().sum() for part in grad(case.loss)(params, x).values())

    def total_by_hand(params):
        loss = case.by_hand(params, x, address).square().sum()
        found = torch.autograd.grad(loss, list(params.values()), create_graph=True)
        return sum(part.square().sum() for part in found)

    address = case.address
    assert_close(grad(total)(case.params), _gradients(total_by_hand, case.params))


def func_vjp(case):
    x, address = _x(ROWS), case.address
    expected = case.by_hand(case.params, x, address)
    cotangent = torch.randn_like(expected)
    y, pull = vjp(lambda p: case.call(p, x), case.params)
    assert_close(y, expected)
    by_hand = _gradients(lambda p: (case.by_hand(p, x, address) * cotangent).sum(), case.params)
    assert_close(pull(cotangent)[0], by_hand)


def func_jacrev(case, transform=jacrev):
    x, address = _x(ROWS), case.address
    names = list(case.params)
    expected = torch.autograd.functional.jacobian(
        lambda *values: case.by_hand(dict(zip(names, values, strict=True)), x, address),
        tuple(case.params.values()),
    )
    found = transform(lambda p: case.call(p, x))(case.params)
    assert_close(found, dict(zip(names, expected, strict=True)))


def func_jacfwd(case):
    func_jacrev(case, jacfwd)


def func_jvp(case):
    x, address = _x(ROWS), case.address
    tangents = _like(case.params)
    expected = _pushed(lambda p: case.by_hand(p, x, address), case.params, tangents)
    assert_close(jvp(lambda p: case.call(p, x), (case.params,), (tangents,)), expected)


def func_hessian(case):
    x, address = _x(ROWS), case.address
    expected = torch.autograd.functional.hessian(
        lambda x: case.by_hand(case.params, x, address).square().sum(), x
    )
    assert_close(hessian(lambda x: case.loss(case.params, x))(x), expected)


def func_vmap_same(case):
    x, address = _x(BATCH, ROWS), case.address
    _check_vmap(case, x, "same", [case.by_hand(case.params, part, address) for part in x])


def func_vmap_different(case):
    x, address = _x(BATCH, ROWS), case.address
    expected = [
        case.by_hand(case.params, part, address, _rows(case, b, ROWS)) for b, part in enumerate(x)
    ]
    _check_vmap(case, x, "different", expected)


def _check_vmap(case, x, randomness, expected):
    expected = torch.stack(expected)
    y = vmap(lambda part: case.call(case.params, part), randomness=randomness)(x)
    assert_close(y, expected)
    y = vmap(lambda part: case.model(part), in_dims=1, out_dims=2, randomness="same")(
        x.movedim(0, 1)
    )
    address = case.address  # the counter went one pass on, and not one for each element
    assert int(address[2]) == 2
    y.square().sum().backward()  # by the parameters themselves, outside of the transform
    step = address - torch.tensor([0, 0, 1])
    found = {name: p.grad for name, p in case.model.named_parameters()}
    by_hand = _gradients(
        lambda p: sum(case.by_hand(p, part, step).square().sum() for part in x), case.params
    )
    assert_close(found, by_hand)


def func_vmap_error(case):
    x = _x(BATCH, ROWS)
    refused = [
        vmap(lambda part: case.call(case.params, part)),
        vmap(grad(lambda part: case.loss(case.params, part))),
    ]
    if case.name not in ON_WEIGHTS:  # their weights are the same in all elements
        refused.append(vmap(lambda x: jvp(lambda z: case.call(case.params, z), (x,), (x,))))
    for transformed in refused:
        with pytest.raises(bridle.UsageError, match=r"randomness='different'.*randomness='same'"):
            transformed(x)
    # and what is not random needs no choice
    case.model.eval()
    by_hand = torch.stack([case.by_hand(case.params, part, None) for part in x])
    assert_close(vmap(lambda part: case.call(case.params, part))(x), by_hand)


def func_per_sample_grad(case):
    x, target, address = _x(BATCH), torch.randn(BATCH, 2, dtype=DTYPE), case.address

    def loss(params, x, target):
        return (case.call(params, x[None])[0] - target).square().sum()

    transformed = vmap(grad(loss), in_dims=(None, 0, 0), randomness="different")
    found = transformed(case.params, x, target)
    for b in range(BATCH):
        rows = _rows(case, b)
        expected = _gradients(
            lambda p: (
                (case.by_hand(p, x[b : b + 1], address, rows)[0] - target[b])  # noqa: B023
                .square()
                .sum()
            ),
            case.params,
        )
        assert_close({name: part[b] for name, part in found.items()}, expected)
    if case.name not in ON_WEIGHTS:
        # the masks are those of a pass over the batch
        whole = _gradients(
            lambda p: (case.by_hand(p, x, address) - target).square().sum(), case.params
        )
        assert_close({name: part.sum(0) for name, part in found.items()}, whole)


def func_ensemble(case):
    others = [Case(case.name, seed=seed) for seed in range(BATCH)]
    params, _ = stack_module_state([other.model for other in others])
    params = {name: p.detach() for name, p in params.items()}
    x, address = _x(ROWS), case.address
    found = vmap(grad(case.loss), in_dims=(0, None), randomness="different")(params, x)
    for b, other in enumerate(others):
        rows = _rows(case, b, ROWS)
        expected = _gradients(
            lambda p: case.by_hand(p, x, address, rows).square().sum(),  # noqa: B023
            other.params,
        )
        assert_close({name: part[b] for name, part in found.items()}, expected)


def func_predict(case):
    case.model.eval()
    x = _x(ROWS)
    expected = _gradients(lambda p: case.by_hand(p, x, None).square().sum(), case.params)
    assert_close(grad(case.loss)(case.params, x), expected)
    tangents = _like(case.params)
    pushed = _pushed(lambda p: case.by_hand(p, x, None), case.params, tangents)
    assert_close(jvp(lambda p: case.call(p, x), (case.params,), (tangents,)), pushed)
    assert int(case.address[2]) == 0


def forward_mode(case):
    x, tangents = _x(ROWS), _like(case.params)
    for context in (torch.enable_grad(), torch.no_grad()):
        address = case.address
        expected = _pushed(lambda p: case.by_hand(p, x, address), case.params, tangents)  # noqa: B023
        with context, forward_ad.dual_level():
            duals = {
                name: forward_ad.make_dual(p, tangents[name]) for name, p in case.params.items()
            }
            assert_close(tuple(forward_ad.unpack_dual(case.call(duals, x))), expected)


def compile_of_func_grad(case):
    torch._dynamo.reset()
    x = _x(ROWS)
    whole = case.name not in ON_WEIGHTS  # their hooks break the graph
    backend = "inductor" if case.name in BY_INDUCTOR else "aot_eager"
    compiled = torch.compile(
        lambda params: grad(case.loss)(params, x), fullgraph=whole, backend=backend
    )
    for _ in range(2):
        address = case.address
        expected = _gradients(
            lambda p: case.by_hand(p, x, address).square().sum(),  # noqa: B023
            case.params,
        )
        assert_close(compiled(case.params), expected)


FEATURES = {
    "func-grad": func_grad,
    "func-vjp": func_vjp,
    "func-jacrev": func_jacrev,
    "func-jacfwd": func_jacfwd,
    "func-jvp": func_jvp,
    "func-hessian": func_hessian,
    "func-vmap-same": func_vmap_same,
    "func-vmap-different": func_vmap_different,
    "func-vmap-error": func_vmap_error,
    "func-per-sample-grad": func_per_sample_grad,
    "func-ensemble": func_ensemble,
    "func-predict": func_predict,
    "forward-ad": forward_mode,
    "compile-of-func-grad": compile_of_func_grad,
}


@pytest.mark.parametrize(
    ("check", "name"),
    [
        pytest.param(check, name, id=f"{feature}-{name}")
        for feature, check in FEATURES.items()
        for name in NOISES
    ],
)
def test_a_noise_in_a_transform(check, name):
    case = Case(name)
    check(case)
    # what came before does not show in a pass outside of transforms
    case.model.train()
    case.model.zero_grad()
    x, address = _x(ROWS), case.address
    case.model(x).square().sum().backward()
    found = {name: p.grad for name, p in case.model.named_parameters()}
    assert_close(
        found, _gradients(lambda p: case.by_hand(p, x, address).square().sum(), case.params)
    )
