from .embedding import PeriodicEmbedding as PeriodicEmbedding
from .history import Dataset as Dataset, History as History
from .objectives import (
    CrossEntropy as CrossEntropy,
    Objective as Objective,
    SquaredError as SquaredError,
)
from .population import Network as Network
from .prediction import predict as predict
from .shared_members import SharedNetwork as SharedNetwork
from .training import train as train, train_step as train_step
