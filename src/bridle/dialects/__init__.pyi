from .convert import DIALECTS as DIALECTS, convert_strength as convert_strength
from .dropout import convert_dropout as convert_dropout
from .records import (
    Framework as Framework,
    find as find,
    frameworks as frameworks,
    read_framework as read_framework,
)
from .settings import (
    Claim as Claim,
    DecaySetting as DecaySetting,
    DropoutSetting as DropoutSetting,
    MaxNormSetting as MaxNormSetting,
    PenaltySetting as PenaltySetting,
    Setting as Setting,
)
from .translate import Translation as Translation, translate as translate
