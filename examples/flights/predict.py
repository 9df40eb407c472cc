#!/usr/bin/env python3
"""Asks a running server for the features of a handful of flights, and sets the predictions beside what happened.

  predict.py [--url http://127.0.0.1:6566] [--after 2013-12-30T20:00:00] [--flights 8]

The flights are those that leave next after the moment up to which the online store was materialized (--after): the
server then answers with what was known when they left, as it would have on that day.
"""

import argparse
import json
import pickle
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pandas as pd
from train import DATA, LATE_MINUTES, chance_of_delay


def online_features(url: str, flights: pd.DataFrame) -> pd.DataFrame:
    question = {
        "feature_service": "departure_delay",
        "entities": {"origin": flights["origin"].tolist(), "tailnum": flights["tailnum"].tolist()},
    }
    request = urllib.request.Request(
        f"{url}/get-online-features", json.dumps(question).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        sys.exit(f"error: {url} answered {error.code}: {error.read().decode(errors='replace')}")
    except urllib.error.URLError as error:
        sys.exit(f"error: no answer from {url}: {error.reason}. Start it with: salver -c examples/flights serve")
    names = answer["metadata"]["feature_names"]
    return pd.DataFrame({name: result["values"] for name, result in zip(names, answer["results"])}, index=flights.index)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:6566")
    parser.add_argument("--after", default="2013-12-30T20:00:00")
    parser.add_argument("--flights", type=int, default=8)
    arguments = parser.parse_args()

    trained = pickle.loads((DATA / "model.pickle").read_bytes())
    flights = pd.read_parquet(DATA / "labels.parquet").dropna(subset=["tailnum", "arr_delay"])
    moment = pd.Timestamp(arguments.after, tz="UTC")
    flights = flights[flights["event_timestamp"] > moment].sort_values("event_timestamp", kind="stable")
    # Two flights of one aircraft within the handful would share features of which the second's are too old.
    flights = flights.drop_duplicates("tailnum").head(arguments.flights)

    start = time.perf_counter()
    features = online_features(arguments.url, flights)
    milliseconds = (time.perf_counter() - start) * 1000
    rows = flights.join(features.drop(columns=["origin", "tailnum"]))
    chances = chance_of_delay(trained, rows)

    print(f"features of {len(rows)} flights after {moment:%d %B %H:%M} UTC, one request: {milliseconds:.1f} ms")
    print(f"{'flight':8} {'from':4} {'to':4} {'tail':7} {'visib':>5} {'mean late':>9} {'chance':>7}   what happened")
    for (_, row), chance in zip(rows.iterrows(), chances):
        happened = f"{abs(row['arr_delay']):.0f} minutes {'late' if row['arr_delay'] > 0 else 'early'}"
        visibility, mean = (format(value, ".1f") if pd.notna(value) else "-"
                            for value in (row["visib"], row["mean_arr_delay"]))
        print(f"{row['carrier'] + str(row['flight']):8} {row['origin']:4} {row['dest']:4} {row['tailnum']:7} "
              f"{visibility:>5} {mean:>9} {chance:7.0%}   {happened}")
    right = sum((chance > 0.5) == (delay > LATE_MINUTES) for chance, delay in zip(chances, rows["arr_delay"]))
    print(f"{right} of {len(rows)} told right (late is more than {LATE_MINUTES} minutes, at a chance above one half)")


if __name__ == "__main__":
    main()
