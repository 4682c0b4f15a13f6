"""Co-adaptation: how much the units of a layer lean on each other, by taking them out."""

from bridle.coadaptation.entry import co_adaptation
from bridle.coadaptation.record import CoAdaptation

__all__ = ["CoAdaptation", "co_adaptation"]
