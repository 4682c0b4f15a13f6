from .convert import DIALECTS as DIALECTS, convert_strength as convert_strength
