from .compaction import Compacted as Compacted, CompactedLayer as CompactedLayer, compact as compact
from .lambda_path import (
    lambda_max as lambda_max,
    lambda_path as lambda_path,
)
from .path_result import LambdaPath as LambdaPath
