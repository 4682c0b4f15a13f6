"""Populations of a search that train other networks."""

from __future__ import annotations

import torch

from bridle.networks.population import Network
from bridle.search.trial_population import TrialPopulation

__all__ = ["begin_with"]


def begin_with(population: TrialPopulation, network: Network) -> None:
    """Let a population train these networks, from its first step."""
    population.network, population.parameters = network, list(network.parameters())
    population.moments = [torch.zeros_like(p) for p in population.parameters]
    population.squares = [torch.zeros_like(p) for p in population.parameters]
    population.average = [p.detach().clone() for p in population.parameters]
