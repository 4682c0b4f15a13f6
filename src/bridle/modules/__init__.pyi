from .attach import attach as attach
from .attachment import Attachment as Attachment
from .placement import Before as Before
from .regularize import Receipt as Receipt
from .regularize import regularize as regularize
from .select import (
    Selector as Selector,
)
from .select import (
    select_modules as select_modules,
)
from .select import (
    select_parameters as select_parameters,
)
