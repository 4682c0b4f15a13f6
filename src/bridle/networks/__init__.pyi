from .history import Dataset as Dataset
from .history import History as History
from .objectives import (
    CrossEntropy as CrossEntropy,
)
from .objectives import (
    Objective as Objective,
)
from .objectives import (
    SquaredError as SquaredError,
)
from .population import Network as Network
from .population import predict as predict
from .training import train as train
from .training import train_step as train_step
