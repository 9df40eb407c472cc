"""What is known about a flight before it leaves New York: the weather at the airport, and the aircraft.

No feature view has a ttl: the year 2013 lies far behind, and an online read judges age by today's clock.
"""

from feast import Entity, FeatureService, FeatureView, Field, FileSource
from feast.types import Float64, Int64, String
from feast.value_type import ValueType

origin = Entity(
    name="origin",
    join_keys=["origin"],
    value_type=ValueType.STRING,
    description="The airport a flight leaves from: EWR, JFK or LGA.",
)
aircraft = Entity(
    name="aircraft",
    join_keys=["tailnum"],
    value_type=ValueType.STRING,
    description="One aircraft, by its tail number.",
)

weather = FeatureView(
    name="weather",
    description="The last full hour's observation at the airport.",
    entities=[origin],
    schema=[
        Field(name="origin", dtype=String),
        Field(name="temp", dtype=Float64, description="Degrees Fahrenheit."),
        Field(name="dewp", dtype=Float64, description="Dew point, degrees Fahrenheit."),
        Field(name="humid", dtype=Float64, description="Relative humidity, percent."),
        Field(name="wind_speed", dtype=Float64, description="Miles an hour."),
        Field(name="precip", dtype=Float64, description="Inches within the hour."),
        Field(name="pressure", dtype=Float64, description="Millibars at sea level."),
        Field(name="visib", dtype=Float64, description="Visibility in miles."),
    ],
    source=FileSource(name="weather_source", path="data/weather.parquet", timestamp_field="event_timestamp"),
)

planes = FeatureView(
    name="planes",
    description="What the registry of aircraft says.",
    entities=[aircraft],
    schema=[
        Field(name="tailnum", dtype=String),
        Field(name="built", dtype=Int64, description="Year of manufacture."),
        Field(name="manufacturer", dtype=String),
        Field(name="model", dtype=String),
        Field(name="engines", dtype=Int64),
        Field(name="seats", dtype=Int64),
    ],
    source=FileSource(name="planes_source", path="data/planes.parquet", timestamp_field="event_timestamp"),
)

aircraft_history = FeatureView(
    name="aircraft_history",
    description="The aircraft's flights out of New York in this year, up to the last one that has landed.",
    entities=[aircraft],
    schema=[
        Field(name="tailnum", dtype=String),
        Field(name="last_arr_delay", dtype=Float64, description="Minutes; negative is early."),
        Field(name="flights_so_far", dtype=Int64),
        Field(name="mean_arr_delay", dtype=Float64, description="Minutes, over the flights so far."),
        Field(name="late_share", dtype=Float64, description="Share of the flights so far over 15 minutes late."),
    ],
    source=FileSource(
        name="aircraft_history_source", path="data/aircraft_history.parquet", timestamp_field="event_timestamp"
    ),
)

departure_delay = FeatureService(
    name="departure_delay",
    description="What the delay model asks for.",
    features=[weather, planes[["built", "engines", "seats"]], aircraft_history],
)
