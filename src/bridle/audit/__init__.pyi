from .audit import audit as audit
from .records import (
    Audit as Audit,
    Check as Check,
    Effect as Effect,
    Finding as Finding,
    NoiseSeen as NoiseSeen,
    SettingSeen as SettingSeen,
)
