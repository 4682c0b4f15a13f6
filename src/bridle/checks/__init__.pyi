from .edges import edges_check as edges_check
from .ranges import Range as Range
from .results import CheckResult as CheckResult, Checks as Checks
from .rules import RULES as RULES, Rule as Rule, codes_of as codes_of
