"""Penalties: functions R of a weight tensor, with value, gradient and prox."""

from bridle.penalties.annealing import Annealed, Scaled, at_step
from bridle.penalties.application import add_gradients, apply_prox, check_application
from bridle.penalties.grouped import GroupLasso, MaxNorm
from bridle.penalties.protocol import Penalty
from bridle.penalties.separable import L1, L2, ElasticNet

__all__ = [
    "L1",
    "L2",
    "Annealed",
    "ElasticNet",
    "GroupLasso",
    "MaxNorm",
    "Penalty",
    "Scaled",
    "add_gradients",
    "apply_prox",
    "at_step",
    "check_application",
]
