#!/usr/bin/env python3
"""Fits a linear model to data/training.parquet: from a driver's statistics to the trip completed or not."""

import pickle
from pathlib import Path

import pandas as pd
from sklearn.linear_model import LinearRegression

DATA = Path(__file__).parent / "data"
FEATURES = ["acc_rate", "avg_daily_trips", "conv_rate"]

training = pd.read_parquet(DATA / "training.parquet")
print(training.to_string(index=False))
model = LinearRegression().fit(training[FEATURES], training["trip_completed"])
(DATA / "model.pickle").write_bytes(pickle.dumps((FEATURES, model)))
