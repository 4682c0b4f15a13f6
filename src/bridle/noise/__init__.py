"""Noises: random masks on units or weights in training, with an exact meaning at prediction."""

from bridle.noise.alpha import AlphaDropout, FeatureAlphaDropout
from bridle.noise.concrete import ConcreteDropout
from bridle.noise.gaussian import GaussianDropout
from bridle.noise.masks import Multiplier
from bridle.noise.protocol import Noise, Scaling, Spot
from bridle.noise.scheduled import Scheduled, early_dropout, late_dropout
from bridle.noise.sharing import DropPath, LockedDropout, SpatialDropout
from bridle.noise.units import Dropout
from bridle.noise.weightdrop import WeightDrop
from bridle.noise.weights import DropConnect

__all__ = [
    "AlphaDropout",
    "ConcreteDropout",
    "DropConnect",
    "DropPath",
    "Dropout",
    "FeatureAlphaDropout",
    "GaussianDropout",
    "LockedDropout",
    "Multiplier",
    "Noise",
    "Scaling",
    "Scheduled",
    "SpatialDropout",
    "Spot",
    "WeightDrop",
    "early_dropout",
    "late_dropout",
]
