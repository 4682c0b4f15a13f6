from .alpha import AlphaDropout as AlphaDropout, FeatureAlphaDropout as FeatureAlphaDropout
from .base import Multiplier as Multiplier
from .concrete import ConcreteDropout as ConcreteDropout
from .drop_connect import DropConnect as DropConnect
from .dropout import Dropout as Dropout
from .gaussian import GaussianDropout as GaussianDropout
from .protocol import Noise as Noise, Scaling as Scaling, Spot as Spot
from .scheduled import (
    Scheduled as Scheduled,
    early_dropout as early_dropout,
    late_dropout as late_dropout,
)
from .structured import (
    DropPath as DropPath,
    LockedDropout as LockedDropout,
    SpatialDropout as SpatialDropout,
)
from .weight_drop import WeightDrop as WeightDrop
