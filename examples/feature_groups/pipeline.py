"""Writes driver statistics, computes weekly totals on demand, and builds a training set: python pipeline.py [REPOSITORY]"""

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.compute

from salver import (DataType, DuckDBQueryExecutor, FeatureGroupSchema, FeatureSchema, FeatureType, MaterializedFeatureStore,
                    Pipeline, VirtualizedFeatureStore)
from salver.errors import SchemaValidationError
from salver.pipeline import function_node, read_features_node, table_node, write_features_node

START = datetime(2026, 11, 1, tzinfo=timezone.utc)
TIMES = pa.timestamp("us", tz="UTC")


def raw_rides():
    """One row a ride: 3 drivers, 4 days, driver n has n rides a day."""
    rides = [(driver, START + timedelta(days=day, hours=8 + ride), 5.0 - ride / 2)
             for day in range(4) for driver in (1, 2, 3) for ride in range(driver)]
    drivers, times, ratings = zip(*rides)
    return pa.table({"driver_id": list(drivers), "at": pa.array(times, TIMES), "rating": list(ratings)})


def daily(rides):
    """Rides and mean rating of each driver and day."""
    days = pa.compute.floor_temporal(rides["at"], unit="day")
    table = rides.append_column("event_timestamp", days).group_by(["driver_id", "event_timestamp"])
    return table.aggregate([("rating", "mean"), ("rating", "count")]).rename_columns(
        ["driver_id", "event_timestamp", "rating", "trips"])


def main(repository):
    tables = MaterializedFeatureStore(repository, cache_size_mb=64)
    tables.register_feature_group(FeatureGroupSchema(
        name="driver_daily", entity_keys=["driver_id"], timestamp_key="event_timestamp", description="what a driver did in a day",
        features=[FeatureSchema("trips", DataType.BIGINT, FeatureType.NUMERICAL, nullable=False, metadata={"min": 0}),
                  FeatureSchema("rating", DataType.DOUBLE, metadata={"min": 0, "max": 5, "unit": "stars"})]))
    tables.metadata.set_lineage("driver_daily", ["rides"])

    virtual = VirtualizedFeatureStore(repository, DuckDBQueryExecutor(query_timeout_seconds=30))
    virtual.define_virtual_features(
        FeatureGroupSchema(name="driver_totals", entity_keys=["driver_id"], timestamp_key="event_timestamp",
                           features=[FeatureSchema("total_trips", DataType.BIGINT)]),
        {"total_trips": "SELECT driver_id, event_timestamp,\n"
                        "       sum(trips) OVER (PARTITION BY driver_id ORDER BY event_timestamp) AS total_trips\n"
                        "FROM driver_daily"})
    virtual.metadata.set_lineage("driver_totals:total_trips", ["driver_daily:trips"])

    labels = pa.table({"driver_id": [1, 2, 3], "event_timestamp": pa.array([START + timedelta(days=2, hours=12)] * 3, TIMES)})
    answers = Pipeline([
        read_features_node("training", tables, ["driver_daily:trips", "driver_daily:rating"], "labels", after=["store"]),
        read_features_node("totals", virtual, ["total_trips"], "labels", after=["store"]),
        write_features_node("store", tables, "driver_daily", "daily", backfill=True),
        function_node("daily", daily, ["rides"]),
        table_node("labels", labels),
        table_node("rides", raw_rides()),
    ]).run()
    print(answers["training"].to_pydict())
    print(answers["totals"].to_pydict())
    print("totals come from", virtual.metadata.get_lineage("driver_totals")["all_inputs"])

    try:
        tables.write_features("driver_daily", {"driver_id": [1], "event_timestamp": pa.array([START], TIMES), "trips": [1],
                                               "rating": [7.5]})
    except SchemaValidationError as error:
        print(error)
    health = tables.health_check()
    print("healthy" if health["healthy"] else "not well", [check["name"] for check in health["checks"]])


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parent))
