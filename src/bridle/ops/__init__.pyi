from .dispatch import (
    drop_connect as drop_connect,
)
from .dispatch import (
    drop_connect_linear as drop_connect_linear,
)
from .dispatch import (
    dropout as dropout,
)
from .dispatch import (
    elastic_prox as elastic_prox,
)
from .dispatch import (
    gaussian_dropout as gaussian_dropout,
)
from .dispatch import (
    soft_threshold as soft_threshold,
)
from .dispatch import (
    uniform_like as uniform_like,
)
from .philox import RESOLUTION as RESOLUTION
from .philox import address_of as address_of
from .stepping import adam_step as adam_step
from .stepping import max_norm_step as max_norm_step
