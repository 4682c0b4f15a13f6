from .encoder import TableEncoder as TableEncoder
from .fingerprint import (
    facts_of_table as facts_of_table,
)
from .fingerprint import (
    fingerprint as fingerprint,
)
from .fingerprint import (
    share_of_known_rows as share_of_known_rows,
)
from .read import read_table as read_table
from .target import (
    ClassTarget as ClassTarget,
)
from .target import (
    ValueTarget as ValueTarget,
)
from .target import (
    infer_task as infer_task,
)
from .target import (
    target_column as target_column,
)
