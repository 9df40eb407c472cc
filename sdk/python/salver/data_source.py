"""Where rows come from: files, tables, pushes, requests and streams."""

import enum
from datetime import timedelta
from typing import Any, Dict, List, Optional

from salver.data_format import FileFormat, StreamFormat
from salver.definition import Definition, check_text, compact
from salver.duration import duration_json
from salver.field import Field, check_schema


class PushMode(enum.Enum):
    ONLINE = 1
    OFFLINE = 2
    ONLINE_AND_OFFLINE = 3


class DataSource(Definition):
    """Base of all sources. source_type and class_path are what Feast's registry names the kind with."""

    kind = "data_source"
    source_type = "CUSTOM_SOURCE"
    class_path = ""

    def __init__(self, *, name: Any, timestamp_field: Optional[str] = None, created_timestamp_column: Optional[str] = None,
                 field_mapping: Optional[Dict[str, str]] = None, date_partition_column: Optional[str] = None,
                 description: Optional[str] = "", tags: Optional[Dict[str, str]] = None, owner: Optional[str] = "") -> None:
        super().__init__(name, description, tags, owner)
        self.timestamp_field = check_text("data source", name, "timestamp_field", timestamp_field)
        self.created_timestamp_column = check_text("data source", name, "created_timestamp_column", created_timestamp_column)
        self.date_partition_column = check_text("data source", name, "date_partition_column", date_partition_column)
        self.field_mapping = dict(field_mapping or {})
        if self.timestamp_field and self.timestamp_field == self.created_timestamp_column:
            raise ValueError(f'data source "{name}": timestamp_field and created_timestamp_column are both '
                             f'"{timestamp_field}". Name two columns, or leave out the second.')

    def options(self) -> Dict[str, Any]:
        """The member of DataSource.options, such as {"file_options": {...}}."""
        return {}

    def to_json(self, nested: bool = False) -> Dict[str, Any]:
        """nested: inside another source or a projection, where Feast leaves out the class, except of a custom source:
        nothing else says what that is."""
        nested = nested and self.source_type != "CUSTOM_SOURCE"
        return {**compact({"type": self.source_type, "field_mapping": self.field_mapping,
                           "timestamp_field": self.timestamp_field, "date_partition_column": self.date_partition_column,
                           "created_timestamp_column": self.created_timestamp_column,
                           "data_source_class_type": "" if nested else self.class_path, "name": self.name,
                           "description": self.description, "tags": self.tags, "owner": self.owner}), **self.options()}


class FileSource(DataSource):
    """A file, a folder of them, or a glob: Parquet, CSV, newline JSON or Arrow IPC, as the suffix says; a path, s3:// or
    gs://. Relative paths start at the repository."""

    source_type = "BATCH_FILE"
    class_path = "feast.infra.offline_stores.file_source.FileSource"

    def __init__(self, *, path: str, name: Optional[str] = "", event_timestamp_column: Optional[str] = "",
                 file_format: Optional[FileFormat] = None, created_timestamp_column: Optional[str] = "",
                 field_mapping: Optional[Dict[str, str]] = None, s3_endpoint_override: Optional[str] = None,
                 description: Optional[str] = "", tags: Optional[Dict[str, str]] = None, owner: Optional[str] = "",
                 timestamp_field: Optional[str] = "", connection_ref: Any = None) -> None:
        if path is None or not str(path):
            raise ValueError(f'file source "{name}" has no path; give the file, folder or glob to read.')
        super().__init__(name=name or str(path), timestamp_field=timestamp_field or event_timestamp_column,
                         created_timestamp_column=created_timestamp_column, field_mapping=field_mapping,
                         description=description, tags=tags, owner=owner)
        self.path = str(path)
        if file_format is not None and not isinstance(file_format, FileFormat):
            raise TypeError(f'file source "{self.name}": file_format is {file_format!r}; use ParquetFormat() or DeltaFormat().')
        self.file_format = file_format
        self.s3_endpoint_override = s3_endpoint_override or ""

    def options(self) -> Dict[str, Any]:
        options = compact({"uri": self.path, "s3_endpoint_override": self.s3_endpoint_override})
        if self.file_format is not None:
            options["file_format"] = self.file_format.to_json()
        return {"file_options": options}


class SqlSource(DataSource):
    """What a SELECT over files gives, asked of DuckDB. Relative file names in it start at the repository. Feast sees a file
    source without a path."""

    source_type = "BATCH_FILE"
    class_path = FileSource.class_path

    def __init__(self, *, name: str, query: str, timestamp_field: Optional[str] = "",
                 created_timestamp_column: Optional[str] = "", field_mapping: Optional[Dict[str, str]] = None,
                 description: Optional[str] = "", tags: Optional[Dict[str, str]] = None, owner: Optional[str] = "") -> None:
        if not isinstance(query, str) or not query.strip():
            raise ValueError(f'SQL source "{name}" has no query; give one SELECT.')
        super().__init__(name=name, timestamp_field=timestamp_field, created_timestamp_column=created_timestamp_column,
                         field_mapping=field_mapping, description=description, tags=tags, owner=owner)
        self.query = query

    def options(self) -> Dict[str, Any]:
        return {"file_options": {}, "sql": self.query}


class PushSource(DataSource):
    """Rows that callers push; batch_source is where their history is."""

    source_type = "PUSH_SOURCE"
    class_path = "feast.data_source.PushSource"

    def __init__(self, *, name: str, batch_source: Optional[DataSource] = None, description: Optional[str] = "",
                 tags: Optional[Dict[str, str]] = None, owner: Optional[str] = "") -> None:
        if batch_source is not None and not isinstance(batch_source, DataSource):
            raise TypeError(f'push source "{name}": batch_source is {batch_source!r}; give a data source.')
        super().__init__(name=name, description=description, tags=tags, owner=owner,
                         timestamp_field=batch_source.timestamp_field if batch_source else None,
                         created_timestamp_column=batch_source.created_timestamp_column if batch_source else None)
        self.batch_source = batch_source

    def to_json(self, nested: bool = False) -> Dict[str, Any]:
        message = super().to_json(nested)
        if self.batch_source is not None:
            message["batch_source"] = self.batch_source.to_json(nested=True)
        return message


class RequestSource(DataSource):
    """Values that come with a request."""

    source_type = "REQUEST_SOURCE"
    class_path = "feast.data_source.RequestSource"

    def __init__(self, *, name: str, schema: List[Field], timestamp_field: Optional[str] = None,
                 description: Optional[str] = "", tags: Optional[Dict[str, str]] = None, owner: Optional[str] = "") -> None:
        super().__init__(name=name, timestamp_field=timestamp_field, description=description, tags=tags, owner=owner)
        self.schema = check_schema("request source", name, schema)

    def options(self) -> Dict[str, Any]:
        return {"request_data_options": {"schema": [field.to_json() for field in self.schema]}}


class _StreamSource(DataSource):
    def __init__(self, *, name: str, batch_source: Optional[DataSource], stream_format: Any, **common: Any) -> None:
        super().__init__(name=name, **common)
        if not isinstance(stream_format, StreamFormat):
            raise TypeError(f'stream source "{name}": its format is {stream_format!r}; use AvroFormat, JsonFormat or ProtoFormat.')
        self.batch_source = batch_source
        self.stream_format = stream_format

    def to_json(self, nested: bool = False) -> Dict[str, Any]:
        message = super().to_json(nested)
        if self.batch_source is not None:
            message["batch_source"] = self.batch_source.to_json(nested=True)
        return message


class KafkaSource(_StreamSource):
    source_type = "STREAM_KAFKA"
    class_path = "feast.data_source.KafkaSource"

    def __init__(self, *, name: str, timestamp_field: str, message_format: StreamFormat, bootstrap_servers: Optional[str] = None,
                 kafka_bootstrap_servers: Optional[str] = None, topic: Optional[str] = None,
                 created_timestamp_column: Optional[str] = "", field_mapping: Optional[Dict[str, str]] = None,
                 description: Optional[str] = "", tags: Optional[Dict[str, str]] = None, owner: Optional[str] = "",
                 batch_source: Optional[DataSource] = None, watermark_delay_threshold: Optional[timedelta] = None) -> None:
        super().__init__(name=name, batch_source=batch_source, stream_format=message_format, timestamp_field=timestamp_field,
                         created_timestamp_column=created_timestamp_column, field_mapping=field_mapping,
                         description=description, tags=tags, owner=owner)
        self.kafka_bootstrap_servers = kafka_bootstrap_servers or bootstrap_servers or ""
        self.topic = topic or ""
        self.watermark_delay_threshold = watermark_delay_threshold

    def options(self) -> Dict[str, Any]:
        options = compact({"kafka_bootstrap_servers": self.kafka_bootstrap_servers, "topic": self.topic})
        options["message_format"] = self.stream_format.to_json()
        if self.watermark_delay_threshold is not None:
            options["watermark_delay_threshold"] = duration_json(self.watermark_delay_threshold)
        return {"kafka_options": options}


class KinesisSource(_StreamSource):
    source_type = "STREAM_KINESIS"
    class_path = "feast.data_source.KinesisSource"

    def __init__(self, *, name: str, record_format: StreamFormat, region: str, stream_name: str,
                 timestamp_field: Optional[str] = "", created_timestamp_column: Optional[str] = "",
                 field_mapping: Optional[Dict[str, str]] = None, description: Optional[str] = "",
                 tags: Optional[Dict[str, str]] = None, owner: Optional[str] = "",
                 batch_source: Optional[DataSource] = None) -> None:
        super().__init__(name=name, batch_source=batch_source, stream_format=record_format, timestamp_field=timestamp_field,
                         created_timestamp_column=created_timestamp_column, field_mapping=field_mapping,
                         description=description, tags=tags, owner=owner)
        self.region, self.stream_name = region, stream_name

    def options(self) -> Dict[str, Any]:
        return {"kinesis_options": {"region": self.region, "stream_name": self.stream_name, "record_format": self.stream_format.to_json()}}


class _TableSource(DataSource):
    """A table or a query of a warehouse. Registered and listed; this release reads files only."""

    option = ""
    extra = ()

    def __init__(self, *, name: Optional[str] = None, timestamp_field: Optional[str] = "", table: Optional[str] = None,
                 query: Optional[str] = None, created_timestamp_column: Optional[str] = "",
                 field_mapping: Optional[Dict[str, str]] = None, date_partition_column: Optional[str] = None,
                 description: Optional[str] = "", tags: Optional[Dict[str, str]] = None, owner: Optional[str] = "",
                 connection_ref: Any = None, timestamp_field_type: Any = None, **extra: Any) -> None:
        unknown = set(extra) - set(self.extra)
        if unknown:
            raise TypeError(f"{type(self).__name__} has no argument {sorted(unknown)[0]!r}.")
        if not table and not query and not extra.get("path"):
            raise ValueError(f'{type(self).__name__} "{name}" has neither table nor query; give one.')
        super().__init__(name=name or table, timestamp_field=timestamp_field, created_timestamp_column=created_timestamp_column,
                         field_mapping=field_mapping, date_partition_column=date_partition_column,
                         description=description, tags=tags, owner=owner)
        self.table, self.query, self.given_name = table or "", query or "", name or ""
        self.extra_options = {key: value for key, value in extra.items() if value}

    def options(self) -> Dict[str, Any]:
        return {self.option: compact({"table": self.table, "query": self.query, **self.extra_options})}


class BigQuerySource(_TableSource):
    source_type, option = "BATCH_BIGQUERY", "bigquery_options"
    class_path = "feast.infra.offline_stores.bigquery_source.BigQuerySource"


class RedshiftSource(_TableSource):
    source_type, option, extra = "BATCH_REDSHIFT", "redshift_options", ("schema", "database")
    class_path = "feast.infra.offline_stores.redshift_source.RedshiftSource"


class SnowflakeSource(_TableSource):
    source_type, option, extra = "BATCH_SNOWFLAKE", "snowflake_options", ("schema", "database")
    class_path = "feast.infra.offline_stores.snowflake_source.SnowflakeSource"

    def __init__(self, *, warehouse: Optional[str] = None, **arguments: Any) -> None:
        super().__init__(**arguments)


class AthenaSource(_TableSource):
    source_type, option, extra = "BATCH_ATHENA", "athena_options", ("database", "data_source")
    class_path = "feast.infra.offline_stores.contrib.athena_offline_store.athena_source.AthenaSource"


class SparkSource(_TableSource):
    source_type, option, extra = "BATCH_SPARK", "spark_options", ("path", "file_format", "date_partition_column_format")
    class_path = "feast.infra.offline_stores.contrib.spark_offline_store.spark_source.SparkSource"


class TrinoSource(_TableSource):
    source_type, option = "BATCH_TRINO", "trino_options"
    class_path = "feast.infra.offline_stores.contrib.trino_offline_store.trino_source.TrinoSource"


class PostgreSQLSource(_TableSource):
    """A custom source in Feast's registry: its options are JSON bytes."""

    class_path = "feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source.PostgreSQLSource"

    def options(self) -> Dict[str, Any]:
        import base64
        import json

        configuration = json.dumps({"name": self.given_name, "query": self.query, "table": self.table})
        return {"custom_options": {"configuration": base64.b64encode(configuration.encode()).decode()}}
