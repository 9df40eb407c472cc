#!/usr/bin/env python3
"""Writes data/driver_stats.parquet (drivers 1001 to 1005, hourly, two weeks of April 2021) and data/labels.parquet.

The same numbers each time: a day's rhythm per driver, no randomness.
"""

from pathlib import Path

import numpy as np
import pandas as pd

DATA = Path(__file__).parent / "data"


def driver_stats() -> pd.DataFrame:
    hours = pd.date_range("2021-03-30", "2021-04-13", freq="h", tz="UTC")
    rows = pd.MultiIndex.from_product([hours, range(1001, 1006)], names=["event_timestamp", "driver_id"])
    stats = rows.to_frame(index=False)
    phase = 2 * np.pi * stats["event_timestamp"].dt.hour / 24 + stats["driver_id"]
    stats["conv_rate"] = (0.5 + 0.4 * np.sin(phase)).astype("float32")
    stats["acc_rate"] = (0.6 + 0.3 * np.cos(1.7 * phase)).astype("float32")
    stats["avg_daily_trips"] = (500 + 300 * np.sin(phase / 2)).round().astype("int64")
    stats["created"] = stats["event_timestamp"] + pd.Timedelta(minutes=1)
    return stats


def labels() -> pd.DataFrame:
    """Three moments at which it is known whether the driver completed the trip."""
    times = ["2021-04-12T10:59:42Z", "2021-04-12T08:12:10Z", "2021-04-12T16:40:26Z"]
    return pd.DataFrame(
        {"driver_id": [1001, 1002, 1003], "event_timestamp": pd.to_datetime(times), "trip_completed": [1, 0, 1]}
    )


def main() -> None:
    DATA.mkdir(exist_ok=True)
    for name, rows in (("driver_stats", driver_stats()), ("labels", labels())):
        for column in rows.select_dtypes("datetimetz"):
            rows[column] = rows[column].dt.as_unit("us")
        rows.to_parquet(DATA / f"{name}.parquet", index=False)


if __name__ == "__main__":
    main()
