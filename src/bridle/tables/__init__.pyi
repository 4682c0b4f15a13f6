from .encoder import TableEncoder as TableEncoder
from .fingerprint import (
    facts_of_table as facts_of_table,
    fingerprint as fingerprint,
    share_of_known_rows as share_of_known_rows,
)
from .options import ReadOptions as ReadOptions
from .read import read_table as read_table
from .target import (
    ClassTarget as ClassTarget,
    ValueTarget as ValueTarget,
    infer_task as infer_task,
    target_column as target_column,
)
