// "Copy as Python": a script that repeats with bridle what the page has done, change by change.

import { shapeOf } from "./data.js";
import { DIGIT_STARTS, FIRST, STREAMS } from "./settings.js";

const PLANE = {
  moons: `    angle = math.pi * u[:, 0]
    x = torch.where(label == 1, 0.5 - angle.cos(), angle.cos() - 0.5)
    y = torch.where(label == 1, 0.25 - angle.sin(), angle.sin() - 0.25)`,
  spirals: `    angle = 3.5 * math.pi * u[:, 0] + math.pi * label.double()
    x, y = 1.4 * u[:, 0] * angle.sin(), 1.4 * u[:, 0] * angle.cos()`,
  random: `    x, y = 2 * u[:, 0] - 1, 2 * u[:, 1] - 1`,
};

function planeText({ data, noise, flip }) {
  const moved = data === "random" ? "" : ` + ${noise} * normals(at(${STREAMS.noise}), rows, 2)[0]`;
  return `def part(first, count):
    """Rows whose addresses start at \`first\`."""
    rows = torch.arange(first, first + count)[None]
    label = rows[0] % 2
    u = uniforms(at(${STREAMS.place}), rows, 2)[0]
${PLANE[data]}
    X = torch.stack([x, y], 1)${moved}
    flipped = uniforms(at(${STREAMS.flip}), rows, 1)[0, :, 0] < ${flip}
    return X, torch.where(flipped, 1 - label, label)
`;
}

function digitsText({ noise, flip }) {
  const starts = Object.entries(DIGIT_STARTS).map(([part, start]) => `${FIRST[part]}: ${start}`).join(", ");
  return `def part(first, count):
    """Rows whose addresses start at \`first\`."""
    rows = torch.arange(first, first + count)[None]
    start = {${starts}}[first]
    label = target[start : start + count]
    X = pixels[start : start + count] / 16 + ${noise} * normals(at(${STREAMS.noise}), rows, 64)[0]
    u = uniforms(at(${STREAMS.flip}), rows, 2)[0]
    other = (label + 1 + (9 * u[:, 1]).long()) % 10
    return X, torch.where(u[:, 0] < ${flip}, other, label)
`;
}

function settings(change, side) {
  const rule = change[side];
  const noise = (keep, kind = "Dropout") =>
    keep < 1 ? `bridle.${kind}(keep_prob=${keep}, scaling="${rule.scaling}")` : "None";
  const penalties = [];
  if (rule.l1 > 0) penalties.push(`bridle.L1(${rule.l1})`);
  if (rule.l2 > 0) penalties.push(`bridle.L2(${rule.l2})`);
  if (rule.net1 > 0 || rule.net2 > 0) penalties.push(`bridle.ElasticNet(${rule.net1}, ${rule.net2})`);
  if (rule.maxNorm > 0) penalties.push(`bridle.MaxNorm(${rule.maxNorm})`);
  return `    ${change.step}: {
        "rate": ${change.rate},
        "hidden_noise": ${noise(rule.keep)},
        "input_noise": ${noise(rule.inputKeep)},
        "weight_noise": ${noise(rule.connectKeep, "DropConnect")},
        "penalties": [${penalties.join(", ")}],
        "patience": ${rule.patience || "None"},
    },`;
}

/** The script for one of the two networks of a session. */
export function pythonScript(session, side) {
  const { shared, changes, step } = session;
  const { inputs, classes } = shapeOf(shared.data);
  const isDigits = shared.data === "digits";
  const { training, stopping, fresh } = session.data;
  return `"""Repeats network ${side.toUpperCase()} of bridle's live page."""

import math

import torch
${isDigits ? "from sklearn.datasets import load_digits\n" : ""}
import bridle
from bridle.ops import address_of
from bridle.ops.masks import normals, uniforms

SEED, BATCH, STEPS = ${shared.seed}, ${shared.batch}, ${step}
SIZES = [${inputs}, ${shared.h1}, ${shared.h2}, ${classes}]
# what acted from which step on
CHANGES = {
${changes.map((change) => settings(change, side)).join("\n")}
}


def at(stream, step=0):
    """The address of random numbers."""
    return address_of([SEED], stream=stream, step=step)


${isDigits ? `pixels, target = (torch.from_numpy(each) for each in load_digits(return_X_y=True))\n\n\n` : ""}${(isDigits ? digitsText : planeText)(shared)}

X, y = part(${FIRST.training}, ${training.rows})
X_stop, y_stop = part(${FIRST.stopping}, ${stopping.rows})
X_new, y_new = part(${FIRST.fresh}, ${fresh.rows})

network = bridle.Network(SIZES, seeds=SEED, dtype=torch.float64)
with torch.no_grad():
    for layer, weight in enumerate(network.weights):
        rows = torch.arange(weight.shape[1])[None]
        drawn = normals(at(${STREAMS.weights} + layer), rows, weight.shape[2])
        weight.copy_(drawn * math.sqrt(2 / weight.shape[1]))
optimizer = torch.optim.SGD(network.parameters(), lr=1.0)


def score(X, y):
    """The mean loss and the accuracy, noise off."""
    outputs = bridle.predict(network, X)[0]
    loss = torch.nn.functional.cross_entropy(outputs, y)
    return float(loss), float((outputs.argmax(1) == y).double().mean())


batches = -(-len(y) // BATCH)
step, epoch, patience, best, stopped, penalties = 0, 0, None, None, False, []
while step < STEPS:
    order = uniforms(at(${STREAMS.order}, epoch), torch.zeros(1, 1, dtype=torch.int64), len(y))[0, 0]
    for rows in torch.argsort(order, stable=True).split(BATCH):
        if step in CHANGES:
            now = CHANGES[step]
            for name in ("hidden_noise", "input_noise", "weight_noise"):
                setattr(network, name, now[name])
            optimizer.param_groups[0]["lr"], penalties = now["rate"], now["penalties"]
            if now["patience"] != patience:
                patience, best, stopped = now["patience"], None, False
        if not stopped:
            batch = X[rows], y[rows]
            loss = bridle.train_step(network, batch, optimizer=optimizer, penalties=penalties)
        step += 1
        if step == STEPS:
            break
    if step % batches:
        break  # the page ended within an epoch
    epoch += 1
    if patience and not stopped:
        stopping = score(X_stop, y_stop)[0]
        if best is None or stopping < best[0]:
            best = stopping, epoch, [each.detach().clone() for each in network.parameters()]
        elif epoch - best[1] >= patience:
            stopped = True
            with torch.no_grad():
                for parameter, value in zip(network.parameters(), best[2]):
                    parameter.copy_(value)

print(f"loss of the last batch: {float(loss):.10f}")
for name, rows in (("training", (X, y)), ("new rows", (X_new, y_new))):
    print("{}: loss {:.10f}, accuracy {:.4f}".format(name, *score(*rows)))
`;
}
