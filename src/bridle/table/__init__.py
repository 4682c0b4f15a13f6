"""Tables: read them, turn their columns into numbers, and their target into classes or values."""

from bridle.table.encoder import TableEncoder
from bridle.table.read import read_table
from bridle.table.target import ClassTarget, ValueTarget, infer_task, target_column

__all__ = [
    "ClassTarget",
    "TableEncoder",
    "ValueTarget",
    "infer_task",
    "read_table",
    "target_column",
]
