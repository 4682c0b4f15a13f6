#!/usr/bin/env bash
# skrub 0.11.0, DatetimeEncoder(resolution="hour").
#
# Behaviour: whether the hour becomes a feature is decided by the rows that fit sees. If all of them are
# at midnight, resolution="hour" has no effect, without a warning, and transform gives two moments of
# one day the same features but for the total seconds. An encoder that is fitted on placeholder dates,
# to be built from a stored state, loses the time of day in this way.
#
# Output seen:
#   fitted at midnight: hour among the features: False
#   fitted at one o'clock: hour among the features: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet skrub==0.11.0 pandas==3.1.1 numpy==2.4.6
"$folder/environment/bin/python" -W ignore - <<'PYTHON'
import pandas as pd
from skrub import DatetimeEncoder

found = {}
for name, hour in {"midnight": 0, "one o'clock": 1}.items():
    days = pd.Series(pd.to_datetime(["2024-03-01", "2024-03-02"]), name="day")
    encoder = DatetimeEncoder(resolution="hour").fit(days + pd.Timedelta(hours=hour))
    afternoon = pd.Series(pd.to_datetime(["2024-03-01 15:00"]), name="day")
    found[name] = "day_hour" in encoder.transform(afternoon).columns
    print(f"fitted at {name}: hour among the features: {found[name]}")
assert found == {"midnight": False, "one o'clock": True}
PYTHON
