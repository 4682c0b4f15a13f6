"""Noises: random masks on units or weights in training, with an exact meaning at prediction."""

from bridle.noise.protocol import Noise, Scaling
from bridle.noise.units import Dropout
from bridle.noise.weights import DropConnect

__all__ = ["DropConnect", "Dropout", "Noise", "Scaling"]
