#!/usr/bin/env python3
"""Trains a model that tells how likely a flight is to arrive more than 15 minutes late.

  train.py [--training data/training.parquet] [--model data/model.pickle]

The training set is data/labels.parquet with the features of the service departure_delay joined by

  salver -c examples/flights get-historical-features -d data/labels.parquet --feature-service departure_delay \
      -o data/training.parquet

Learns from the flights before November and is judged on those after, as a model in use would be; beside it a model of
the same kind that sees only the timetable shows what the features add.
"""

import argparse
import pickle
import sys
from pathlib import Path

import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, roc_auc_score

DATA = Path(__file__).parent / "data"
LATE_MINUTES = 15
TEST_FROM = pd.Timestamp("2013-11-01", tz="UTC")
TIMETABLE = ["origin", "carrier", "month", "weekday", "hour", "distance"]
FEATURES = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
FEATURES += ["built", "engines", "seats"]
FEATURES += ["last_arr_delay", "flights_so_far", "mean_arr_delay", "late_share"]
CATEGORIES = ["origin", "carrier"]


def prepare(rows: pd.DataFrame, columns: list[str], categories: dict[str, list[str]]) -> pd.DataFrame:
    """The columns the model sees, in its order; categories as numbers, unknown ones and nulls as missing."""
    values = rows[columns].copy()
    for name, known in categories.items():
        values[name] = pd.Categorical(values[name], categories=known)
    numbers = [name for name in columns if name not in categories]
    values[numbers] = values[numbers].astype("float64")
    return values


def fit(rows: pd.DataFrame, late: pd.Series, columns: list[str]) -> dict:
    categories = {name: sorted(rows[name].dropna().unique()) for name in CATEGORIES}
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=2013)
    model.fit(prepare(rows, columns, categories), late)
    return {"model": model, "columns": columns, "categories": categories}


def chance_of_delay(trained: dict, rows: pd.DataFrame):
    return trained["model"].predict_proba(prepare(rows, trained["columns"], trained["categories"]))[:, 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--training", type=Path, default=DATA / "training.parquet")
    parser.add_argument("--model", type=Path, default=DATA / "model.pickle")
    arguments = parser.parse_args()
    if not arguments.training.exists():
        sys.exit(f"error: no training set at {arguments.training}. Run scripts/quickstart, or the command in --help")

    rows = pd.read_parquet(arguments.training)
    missing = [name for name in TIMETABLE + FEATURES if name not in rows]
    if missing:
        sys.exit(f"error: {arguments.training} lacks the columns {', '.join(missing)}. Build it anew")
    print(f"{len(rows):,} flights; {rows['temp'].notna().mean():.1%} with weather, {rows['seats'].notna().mean():.1%}"
          f" with aircraft facts, {rows['mean_arr_delay'].notna().mean():.1%} with aircraft history")

    rows = rows.dropna(subset=["arr_delay"])  # cancelled and diverted flights have no answer to learn from
    late = rows["arr_delay"] > LATE_MINUTES
    before = rows["event_timestamp"] < TEST_FROM
    print(f"learning from {before.sum():,} flights before {TEST_FROM:%d %B}, judged on the {(~before).sum():,} after; "
          f"{late[~before].mean():.1%} of these were more than {LATE_MINUTES} minutes late")

    answers = {"always the more frequent answer": [late[before].mean()] * int((~before).sum())}
    timetable = fit(rows[before], late[before], TIMETABLE)
    answers["timetable only"] = chance_of_delay(timetable, rows[~before])
    trained = fit(rows[before], late[before], TIMETABLE + FEATURES)
    answers["timetable and features"] = chance_of_delay(trained, rows[~before])
    print(f"{'model':34} {'AUC':>6} {'accuracy':>9}")
    for name, chances in answers.items():
        decided = [chance > 0.5 for chance in chances]
        print(f"{name:34} {roc_auc_score(late[~before], chances):6.3f} {accuracy_score(late[~before], decided):9.3f}")

    arguments.model.write_bytes(pickle.dumps(trained))


if __name__ == "__main__":
    main()
