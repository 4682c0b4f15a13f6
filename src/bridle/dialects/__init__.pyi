from .convert import DIALECTS as DIALECTS
from .convert import convert_strength as convert_strength
