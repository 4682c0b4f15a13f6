from .audit import audit as audit
from .records import Audit as Audit
from .records import Effect as Effect
from .records import Finding as Finding
from .records import NoiseSeen as NoiseSeen
