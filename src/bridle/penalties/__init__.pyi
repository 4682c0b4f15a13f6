from .annealing import Annealed as Annealed, Scaled as Scaled, at_step as at_step
from .application import (
    add_gradients as add_gradients,
    apply_prox as apply_prox,
    check_application as check_application,
)
from .decay import WeightDecay as WeightDecay
from .grouped import GroupLasso as GroupLasso, MaxNorm as MaxNorm
from .l1_l2 import L1 as L1, L2 as L2, ElasticNet as ElasticNet
from .protocol import Penalty as Penalty
