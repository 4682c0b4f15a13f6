"""Tables: read them, turn their columns into numbers, and their target into classes or values."""

from bridle.table.encoder import TableEncoder
from bridle.table.fingerprint import facts_of_table, fingerprint, share_of_known_rows
from bridle.table.read import read_table
from bridle.table.target import ClassTarget, ValueTarget, infer_task, target_column

__all__ = [
    "ClassTarget",
    "TableEncoder",
    "ValueTarget",
    "facts_of_table",
    "fingerprint",
    "infer_task",
    "read_table",
    "share_of_known_rows",
    "target_column",
]
