from .calibration import Bin as Bin, Calibration as Calibration
from .curves import Curves as Curves
from .diagnose import diagnose as diagnose
from .learning_curve import learning_curve as learning_curve
from .mistakes import Confusion as Confusion, Residuals as Residuals, RocCurve as RocCurve
from .network_state import (
    LayerState as LayerState,
    ShuffledLabels as ShuffledLabels,
    Subnetworks as Subnetworks,
)
from .performance import (
    Gap as Gap,
    Part as Part,
    Reference as Reference,
    Selection as Selection,
    WorstRow as WorstRow,
)
from .record import Diagnosis as Diagnosis
from .row_curve import (
    LearningCurve as LearningCurve,
    LearningCurvePoint as LearningCurvePoint,
)
