"""What the tests of function transforms share: models with noise, and the same ones by hand."""

import torch
from torch import nn

import bridle
from bridle import ops

KEEP = 0.6
HALF = {"keep_prob": KEEP}
SATURATION = -1.7580993408473766

NOISES = {
    "dropout": bridle.Dropout(**HALF),
    "classic-dropout": bridle.Dropout(**HALF, scaling="classic"),
    "gaussian": bridle.GaussianDropout(**HALF),
    "alpha": bridle.AlphaDropout(**HALF),
    "feature-alpha": bridle.FeatureAlphaDropout(**HALF),
    "spatial": bridle.SpatialDropout(**HALF),
    "locked": bridle.LockedDropout(**HALF, batch_first=True),
    "drop-path": bridle.DropPath(**HALF),
    "concrete": bridle.ConcreteDropout(**HALF),
    "scheduled": bridle.early_dropout(bridle.Dropout(**HALF), steps=4),
    "drop-connect": bridle.DropConnect(**HALF),
    "classic-drop-connect": bridle.DropConnect(**HALF, scaling="classic"),
    "weight-drop": bridle.WeightDrop(**HALF),
}
ON_WEIGHTS = ("drop-connect", "classic-drop-connect", "weight-drop")
INPUTS, CHANNELS, SIZE, OUTPUTS = 3, 4, 3, 2
DTYPE = torch.float64


class Recurrent(nn.Module):
    """A GRU cell between two layers: a module with hidden-to-hidden weights."""

    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(INPUTS, SIZE)
        self.out = nn.Linear(SIZE, OUTPUTS)

    def forward(self, x):
        state = torch.tanh(x)
        return self.out(self.cell(x, state))


class Case:
    """A model with one noise, and its forward pass by hand with an explicit mask."""

    def __init__(self, name, *, seed=0):
        torch.manual_seed(seed)
        self.name, self.noise = name, NOISES[name]
        hidden = nn.Linear(INPUTS, CHANNELS * SIZE), nn.Tanh(), nn.Unflatten(1, (CHANNELS, SIZE))
        plain = nn.Sequential(*hidden, nn.Flatten(), nn.Linear(CHANNELS * SIZE, OUTPUTS))
        self.model = (Recurrent() if name == "weight-drop" else plain).to(DTYPE)
        where = {"weight-drop": "cell"}.get(name, "0.weight" if name in ON_WEIGHTS else "2")
        self.receipt = bridle.regularize(self.model, {where: self.noise}, seed=5)
        self.params = {name: p.detach().clone() for name, p in self.model.named_parameters()}

    @property
    def address(self):
        """The address of the next training pass."""
        return self.receipt.noises[0].counter.next_address.clone()

    def call(self, params, x):
        return torch.func.functional_call(self.model, params, (x,))

    def loss(self, params, x):
        return self.call(params, x).square().sum()

    def by_hand(self, params, x, address, rows=None):
        """The forward pass in plain torch; ``address`` is None at prediction."""
        rows = torch.arange(len(x)) if rows is None else torch.as_tensor(rows)
        if self.name == "weight-drop":
            weight = params["cell.weight_hh"] * self._on_weight(params, address, rows)
            gates = x @ params["cell.weight_ih"].T + params["cell.bias_ih"]
            state = torch.tanh(x)
            back = state @ weight.T + params["cell.bias_hh"]
            reset, update = (gates + back)[:, : 2 * SIZE].sigmoid().chunk(2, 1)
            new = torch.tanh(gates[:, 2 * SIZE :] + reset * back[:, 2 * SIZE :])
            state = (1 - update) * new + update * state
            return state @ params["out.weight"].T + params["out.bias"]
        weight = params["0.weight"]
        if self.name in ON_WEIGHTS:
            weight = weight * self._on_weight(params, address, rows)
        hidden = torch.tanh(x @ weight.T + params["0.bias"]).view(-1, CHANNELS, SIZE)
        if self.name not in ON_WEIGHTS:
            factor, added = self._on_units(address, rows)
            hidden = hidden * factor + added
        return hidden.flatten(1) @ params["4.weight"].T + params["4.bias"]

    def _predicted(self):
        return self.noise.drawn_keep_prob if "classic" in self.name else 1.0

    def _on_weight(self, params, address, rows):
        if address is None:
            return self._predicted()
        weight = params["cell.weight_hh" if self.name == "weight-drop" else "0.weight"]
        ones = torch.ones(weight.shape, dtype=DTYPE)
        inverted = "classic" not in self.name
        return ops.drop_connect(ones, address, KEEP, row=int(rows[0]), inverted=inverted)

    def _on_units(self, address, rows):
        """What multiplies the hidden units, and what is added, ``[rows, channels, size]``."""
        if address is None:
            return self._predicted(), 0.0
        units = torch.ones(len(rows), CHANNELS, SIZE, dtype=DTYPE)
        keep, inverted = KEEP, self.name not in ("classic-dropout", "alpha", "feature-alpha")
        if self.name == "gaussian":
            return ops.gaussian_dropout(units, address, KEEP, rows=rows), 0.0
        if self.name == "concrete":
            noise = ops.uniform_like(units, address, rows=rows)
            logit = float(self.receipt.noises[0].noise.learned.detach())
            z = torch.sigmoid((logit + noise.log() - (1 - noise).log()) / 0.1)
            return (1 - z) * (1 + torch.tensor(logit, dtype=DTYPE).exp()), 0.0
        if self.name == "scheduled":
            keep = 1 - (1 - KEEP) * (1 - int(address[2]) / 4)
        ones = {
            "spatial": units[:, :, :1],
            "feature-alpha": units[:, :, :1],
            "locked": units[:, :1],
            "drop-path": units[:, :1, :1],
        }.get(self.name, units)
        mask = ops.dropout(ones, address, keep, rows=rows, inverted=inverted)
        if "alpha" not in self.name:
            return mask, 0.0
        p = self.noise.drawn_keep_prob
        scale = (p + SATURATION**2 * p * (1 - p)) ** -0.5
        shift = -scale * (1 - p) * SATURATION
        return scale * mask, scale * SATURATION * (1 - mask) + shift
