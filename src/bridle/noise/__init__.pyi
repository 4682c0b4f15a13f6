from .alpha import AlphaDropout as AlphaDropout
from .alpha import FeatureAlphaDropout as FeatureAlphaDropout
from .concrete import ConcreteDropout as ConcreteDropout
from .gaussian import GaussianDropout as GaussianDropout
from .masks import Multiplier as Multiplier
from .protocol import Noise as Noise
from .protocol import Scaling as Scaling
from .protocol import Spot as Spot
from .scheduled import (
    Scheduled as Scheduled,
)
from .scheduled import (
    early_dropout as early_dropout,
)
from .scheduled import (
    late_dropout as late_dropout,
)
from .sharing import (
    DropPath as DropPath,
)
from .sharing import (
    LockedDropout as LockedDropout,
)
from .sharing import (
    SpatialDropout as SpatialDropout,
)
from .units import Dropout as Dropout
from .weightdrop import WeightDrop as WeightDrop
from .weights import DropConnect as DropConnect
