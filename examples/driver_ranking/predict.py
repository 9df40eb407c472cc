#!/usr/bin/env python3
"""Reads the answer of `salver --output json get-online-features` from standard input and names the best driver."""

import json
import pickle
import sys
from pathlib import Path

import pandas as pd

features, model = pickle.loads((Path(__file__).parent / "data/model.pickle").read_bytes())
drivers = pd.DataFrame(json.load(sys.stdin))
drivers["prediction"] = model.predict(drivers[features])
print(drivers.to_string(index=False))
print("best driver:", drivers["driver_id"][drivers["prediction"].idxmax()])
