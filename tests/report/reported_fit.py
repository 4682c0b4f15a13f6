"""A fit and its full report, which several tests read; each is made once."""

from functools import cache

import bridle as library
from bridle.report.write import full_report
from conftest import CREDIT


@cache
def fitted_credit():
    recipe = library.Recipe(hidden=(16, 16), epochs=8, learning_rate=0.01, patience=3)
    return library.fit(CREDIT, "class", recipe=recipe)


@cache
def reported_credit():
    return full_report(fitted_credit(), CREDIT, command="bridle fit credit-g.csv --seed -1 'a b'")
