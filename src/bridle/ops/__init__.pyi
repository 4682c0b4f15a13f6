from .drop_connect import drop_connect as drop_connect, drop_connect_linear as drop_connect_linear
from .dropout import (
    dropout as dropout,
    gaussian_dropout as gaussian_dropout,
    uniform_like as uniform_like,
)
from .masks import RESOLUTION as RESOLUTION, address_of as address_of
from .stepping import adam_step as adam_step, max_norm_step as max_norm_step
from .thresholding import elastic_prox as elastic_prox, soft_threshold as soft_threshold
