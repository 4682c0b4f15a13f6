from .annealing import Annealed as Annealed, Scaled as Scaled, at_step as at_step
from .application import (
    add_gradients as add_gradients,
    apply_prox as apply_prox,
    check_application as check_application,
)
from .constraints import NOfM as NOfM, NonNegative as NonNegative
from .decay import WeightDecay as WeightDecay
from .grouped import (
    Grouped as Grouped,
    GroupLasso as GroupLasso,
    MaxNorm as MaxNorm,
    SparseGroupLasso as SparseGroupLasso,
)
from .groupings import Grouping as Grouping
from .l1_l2 import L1 as L1, L2 as L2, ElasticNet as ElasticNet
from .nonconvex import MCP as MCP, SCAD as SCAD, LogSum as LogSum, RootNorm as RootNorm
from .nuclear import NuclearNorm as NuclearNorm
from .protocol import Penalty as Penalty
from .sorted_l1 import SortedL1 as SortedL1
from .target import Sparsity as Sparsity
from .weighted import WeightedL1 as WeightedL1
