"""The audit: proof, by real steps on a copy, that each regularizer acts as its formula says."""

from bridle.auditing.entry import audit
from bridle.auditing.records import Audit, Effect, Finding, NoiseSeen

__all__ = ["Audit", "Effect", "Finding", "NoiseSeen", "audit"]
