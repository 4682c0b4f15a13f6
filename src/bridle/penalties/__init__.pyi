from .annealing import Annealed as Annealed
from .annealing import Scaled as Scaled
from .annealing import at_step as at_step
from .application import (
    add_gradients as add_gradients,
)
from .application import (
    apply_prox as apply_prox,
)
from .application import (
    check_application as check_application,
)
from .grouped import GroupLasso as GroupLasso
from .grouped import MaxNorm as MaxNorm
from .protocol import Penalty as Penalty
from .separable import L1 as L1
from .separable import L2 as L2
from .separable import ElasticNet as ElasticNet
