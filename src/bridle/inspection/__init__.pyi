from .co_adaptation import co_adaptation as co_adaptation
from .features import feature_tiles as feature_tiles, tile_sheet as tile_sheet
from .result import CoAdaptation as CoAdaptation
