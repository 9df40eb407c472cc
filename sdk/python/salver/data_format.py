"""Formats of files, tables and streams."""

from datetime import datetime
from typing import Any, Dict, Optional


class FileFormat:
    def to_json(self) -> Dict[str, Any]:
        return {"parquet_format": {}}


class ParquetFormat(FileFormat):
    pass


class TableFormat:
    def to_json(self) -> Dict[str, Any]:
        raise NotImplementedError


class DeltaFormat(FileFormat, TableFormat):
    """A Delta Lake table, as it is or, with a version or a timestamp, as it was."""

    def __init__(self, checkpoint_location: Optional[str] = None, properties: Optional[Dict[str, str]] = None, *,
                 version: Optional[int] = None, timestamp: Optional[datetime] = None) -> None:
        if version is not None and timestamp is not None:
            raise ValueError(f"DeltaFormat has version {version} and timestamp {timestamp}; give one of the two.")
        self.checkpoint_location, self.properties = checkpoint_location or "", dict(properties or {})
        if version is not None:
            self.properties["version"] = str(version)
        if timestamp is not None:
            self.properties["timestamp"] = timestamp.isoformat()

    def to_json(self) -> Dict[str, Any]:
        return {"delta_format": {"checkpoint_location": self.checkpoint_location, "properties": self.properties}}


class IcebergFormat(TableFormat):
    def __init__(self, catalog: Optional[str] = None, namespace: Optional[str] = None,
                 properties: Optional[Dict[str, str]] = None) -> None:
        self.catalog, self.namespace, self.properties = catalog or "", namespace or "", properties or {}

    def to_json(self) -> Dict[str, Any]:
        return {"iceberg_format": {"catalog": self.catalog, "namespace": self.namespace, "properties": self.properties}}


class StreamFormat:
    def to_json(self) -> Dict[str, Any]:
        raise NotImplementedError


class AvroFormat(StreamFormat):
    def __init__(self, schema_json: str) -> None:
        self.schema_json = schema_json

    def to_json(self) -> Dict[str, Any]:
        return {"avro_format": {"schema_json": self.schema_json}}


class JsonFormat(StreamFormat):
    def __init__(self, schema_json: str) -> None:
        self.schema_json = schema_json

    def to_json(self) -> Dict[str, Any]:
        return {"json_format": {"schema_json": self.schema_json}}


class ProtoFormat(StreamFormat):
    def __init__(self, class_path: str) -> None:
        self.class_path = class_path

    def to_json(self) -> Dict[str, Any]:
        return {"proto_format": {"class_path": self.class_path}}
