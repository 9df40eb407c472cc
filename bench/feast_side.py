"""One measured action of real Feast, run by its own interpreter: feast_side.py REPOSITORY historical|materialize ARGS.

The clock starts when Feast is imported and the store is open, which is to Feast's advantage: the other side's time is
that of the whole command. Prints one line of JSON.
"""

import json
import sys
import time
from datetime import datetime, timezone

import pandas as pd
from feast import FeatureStore


def historical(store: FeatureStore, labels: str, service: str) -> int:
    frame = pd.read_parquet(labels)
    return store.get_historical_features(frame, store.get_feature_service(service)).to_arrow().num_rows


def materialize(store: FeatureStore, start: str, end: str) -> int:
    moments = [datetime.fromisoformat(text).replace(tzinfo=timezone.utc) for text in (start, end)]
    store.materialize(*moments)
    return 0


if __name__ == "__main__":
    repository, action, *arguments = sys.argv[1:]
    opened = FeatureStore(repo_path=repository)
    opened.list_feature_views()
    begin = time.perf_counter()
    rows = {"historical": historical, "materialize": materialize}[action](opened, *arguments)
    print("\n" + json.dumps({"seconds": time.perf_counter() - begin, "rows": rows}))
