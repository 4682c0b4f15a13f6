from .block_sparse import (
    BlockSparseLinear as BlockSparseLinear,
    to_block_sparse as to_block_sparse,
)
from .compaction import Compacted as Compacted, CompactedLayer as CompactedLayer, compact as compact
from .exported import Exported as Exported, ExportedLayer as ExportedLayer
from .lambda_path import (
    lambda_max as lambda_max,
    lambda_path as lambda_path,
)
from .low_rank import low_rank as low_rank
from .path_result import LambdaPath as LambdaPath
from .semi_structured import (
    NMPattern as NMPattern,
    n_m_pattern as n_m_pattern,
    to_semi_structured as to_semi_structured,
)
