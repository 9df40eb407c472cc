"""Hourly statistics of drivers, the source of the features that rank them."""

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Float32, Int64

driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64, description="One driver.")

driver_hourly_stats = FeatureView(
    name="driver_hourly_stats",
    entities=[driver],
    # No ttl: the sample data is of April 2021, and an online read judges age by today's clock.
    schema=[
        Field(name="conv_rate", dtype=Float32, description="Share of the offers that became trips."),
        Field(name="acc_rate", dtype=Float32, description="Share of the offers that were accepted."),
        Field(name="avg_daily_trips", dtype=Int64),
    ],
    source=FileSource(
        name="driver_stats_source",
        path="data/driver_stats.parquet",
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
    ),
)

driver_ranking = FeatureService(name="driver_ranking", features=[driver_hourly_stats])
