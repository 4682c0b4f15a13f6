"""Data-parallel training with bridle.

Run ``torchrun --standalone --nproc-per-node 2 examples/data_parallel.py``.

Each process draws its own masks. All processes have the same weights after every step. A run that
is resumed from a checkpoint equals an uninterrupted run, bit for bit.
"""

import argparse
import hashlib

import torch
from torch import distributed as dist, nn

import bridle


def build():
    """Return the same network, optimizer and regularizers in every process."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
    model = nn.parallel.DistributedDataParallel(network)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0)
    rules = {
        nn.ReLU: bridle.Dropout(keep_prob=0.5),
        "0": bridle.DropConnect(keep_prob=0.8),
        "*": bridle.L1(0.2),
    }
    return model, optimizer, bridle.regularize(network, rules, optimizer=optimizer)


def train(model, optimizer, first, last):
    """Train on this process's share of the rows."""
    rank, processes = dist.get_rank(), dist.get_world_size()
    for step in range(first, last):
        draw = torch.Generator().manual_seed(step)
        X = torch.randn(64, 8, generator=draw)[rank::processes]
        y = (X[:, 0] * X[:, 1] > 0).long()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X), y).backward()
        optimizer.step()


def fingerprint(tensors):
    """Return a hash of tensors, to compare them between processes."""
    content = b"".join(tensor.detach().numpy().tobytes() for tensor in tensors)
    return hashlib.sha256(content).hexdigest()[:12]


def everywhere(value):
    """Return the values of all processes."""
    values = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def main():
    """Train twenty steps; then ten steps, a checkpoint, and ten more steps with a new model."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", default="checkpoint.pt")
    path = parser.parse_args().checkpoint
    dist.init_process_group("gloo")

    model, optimizer, receipt = build()
    train(model, optimizer, 0, 20)
    whole = fingerprint(model.parameters())
    hidden = model.module[1](torch.ones(32, 32))  # a forward pass in training mode draws a mask
    masks = everywhere(fingerprint([hidden]))
    weights = everywhere(whole)
    zeros = int((model.module[0].weight == 0).sum())

    model, optimizer, receipt = build()
    train(model, optimizer, 0, 10)
    if dist.get_rank() == 0:
        torch.save([part.state_dict() for part in (model, optimizer, receipt)], path)
    dist.barrier()
    model, optimizer, receipt = build()
    for part, state in zip((model, optimizer, receipt), torch.load(path), strict=True):
        part.load_state_dict(state)
    train(model, optimizer, 10, 20)
    resumed = everywhere(fingerprint(model.parameters()))

    if dist.get_rank() == 0:
        print("exact zeros:", zeros > 0)
        print("equal weights:", len(set(weights)) == 1)
        print("distinct masks:", len(set(masks)) == len(masks))
        print("resumed bit for bit:", resumed == weights)
    dist.barrier()  # wait until all processes are done
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
