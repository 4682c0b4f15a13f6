from .diagnose import diagnose as diagnose
from .record import Diagnosis as Diagnosis
from .rule import claims_of as claims_of
from .sections import (
    Bin as Bin,
)
from .sections import (
    Calibration as Calibration,
)
from .sections import (
    Claim as Claim,
)
from .sections import (
    Curves as Curves,
)
from .sections import (
    Gap as Gap,
)
from .sections import (
    LayerState as LayerState,
)
from .sections import (
    Part as Part,
)
from .sections import (
    Reference as Reference,
)
from .sections import (
    Selection as Selection,
)
from .sections import (
    ShuffledLabels as ShuffledLabels,
)
from .sections import (
    Subnetworks as Subnetworks,
)
from .sections import (
    WorstRow as WorstRow,
)
