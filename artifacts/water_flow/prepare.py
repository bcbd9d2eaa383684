"""From a time series to rows: each hour with the 24 hours before it, where none of them is missing."""

import pandas as pd

LAGS = 24


def prepare(table: pd.DataFrame) -> pd.DataFrame:
    """`lag_1` (the hour before) to `lag_24`, and `next` (the hour itself), all in l/s, in order of time."""
    hours = pd.to_datetime(table["Time"], utc=True)
    flow = table["Water flow [l/s]"].astype(float).set_axis(hours).sort_index()
    # A regular grid puts NaN where an hour is missing, so no window reaches over a gap.
    grid = flow.resample("1h").mean()
    windows = pd.DataFrame({f"lag_{lag}": grid.shift(lag) for lag in range(1, LAGS + 1)} | {"next": grid})
    return windows.dropna().reset_index(drop=True)
