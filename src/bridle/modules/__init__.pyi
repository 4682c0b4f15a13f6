from .adaptive import adaptive_l1 as adaptive_l1
from .attach import attach as attach
from .attachment import Attachment as Attachment
from .averaging import SupportAverage as SupportAverage
from .joint import Joint as Joint
from .joint_penalty import JointPenalty as JointPenalty
from .placement import Before as Before
from .regularize import Receipt as Receipt, regularize as regularize
from .replace_dropout import Replacement as Replacement, replace_dropout as replace_dropout
from .select import (
    Selector as Selector,
    select_modules as select_modules,
    select_parameters as select_parameters,
)
from .sparsity_target import SparsityTarget as SparsityTarget
