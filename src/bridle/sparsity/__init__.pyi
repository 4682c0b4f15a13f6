from .compaction import Compacted as Compacted
from .compaction import CompactedLayer as CompactedLayer
from .compaction import compact as compact
from .lambda_path import (
    lambda_max as lambda_max,
)
from .lambda_path import (
    lambda_path as lambda_path,
)
from .path_result import LambdaPath as LambdaPath
