"""Where the features that were served are logged."""

from typing import Any, Dict, List, Optional

from salver.definition import compact


class LoggingDestination:
    member = ""

    def options(self) -> Dict[str, Any]:
        raise NotImplementedError


class FileLoggingDestination(LoggingDestination):
    member = "file_destination"

    def __init__(self, *, path: str, s3_endpoint_override: str = "", partition_by: Optional[List[str]] = None) -> None:
        self.path, self.s3_endpoint_override, self.partition_by = path, s3_endpoint_override, list(partition_by or [])

    def options(self) -> Dict[str, Any]:
        return compact({"path": self.path, "s3_endpoint_override": self.s3_endpoint_override, "partition_by": self.partition_by})


class _TableDestination(LoggingDestination):
    column = "table_name"

    def __init__(self, **arguments: str) -> None:
        self.table = arguments.get("table_name") or arguments.get("table_ref") or arguments.get("table") or ""

    def options(self) -> Dict[str, Any]:
        return {self.column: self.table}


class BigQueryLoggingDestination(_TableDestination):
    member, column = "bigquery_destination", "table_ref"


class RedshiftLoggingDestination(_TableDestination):
    member = "redshift_destination"


class SnowflakeLoggingDestination(_TableDestination):
    member = "snowflake_destination"


class AthenaLoggingDestination(_TableDestination):
    member = "athena_destination"


class LoggingConfig:
    def __init__(self, destination: LoggingDestination, sample_rate: float = 1.0) -> None:
        if not isinstance(destination, LoggingDestination):
            raise TypeError(f"logging_config: destination is {destination!r}; use FileLoggingDestination(path=...).")
        self.destination, self.sample_rate = destination, sample_rate

    def to_json(self) -> Dict[str, Any]:
        return {"sample_rate": self.sample_rate, self.destination.member: self.destination.options()}
