"""Salver: definitions with Feast's names and meanings, kept as data.

    from salver import Entity, FeatureView, Field, FileSource
    from salver.types import Float32

`import salver.compat` lets `from feast import ...` resolve to this package.
"""

from salver.aggregation import Aggregation
from salver.data_format import AvroFormat, DeltaFormat, IcebergFormat, JsonFormat, ParquetFormat, ProtoFormat
from salver.data_source import (AthenaSource, BigQuerySource, DataSource, FileSource, KafkaSource, KinesisSource, PostgreSQLSource,
                                PushSource, RedshiftSource, RequestSource, SnowflakeSource, SparkSource, SqlSource,
                                TrinoSource)
from salver.entity import Entity
from salver.feature_logging import LoggingConfig
from salver.feature_schema import DataType, FeatureGroupSchema, FeatureSchema, FeatureType
from salver.feature_service import FeatureService
from salver.feature_view import BatchFeatureView, FeatureView, batch_feature_view
from salver.field import Feature, Field
from salver.label_view import ConflictPolicy, LabelView
from salver.on_demand_feature_view import OnDemandFeatureView, on_demand_feature_view
from salver.permission import Permission
from salver.project import Project
from salver.projection import FeatureViewProjection
from salver.query_executor import DuckDBQueryExecutor, FeatureQuery, QueryExecutor, QueryTable, SparkQueryExecutor
from salver.saved_dataset import SavedDataset, SavedDatasetFileStorage
from salver.stream_feature_view import StreamFeatureView, stream_feature_view
from salver.value_type import ValueType

__version__ = "0.1.0"

__all__ = [
    "Aggregation", "AthenaSource", "AvroFormat", "BatchFeatureView", "BigQuerySource", "ConflictPolicy", "DataSource",
    "DataType", "DeltaFormat", "DuckDBQueryExecutor", "Entity", "Feature", "FeatureGroupSchema", "FeatureSchema",
    "FeatureQuery", "FeatureService", "FeatureStore", "FeatureStoreMetadata", "FeatureType", "FeatureView",
    "FeatureViewProjection", "Field", "FileSource", "IcebergFormat", "JsonFormat", "KafkaSource", "KinesisSource", "LabelView", "LoggingConfig",
    "MaterializedFeatureStore", "OnDemandFeatureView", "ParquetFormat", "Permission", "Pipeline", "PostgreSQLSource", "Project",
    "ProtoFormat", "PushSource", "QueryExecutor", "QueryTable", "RedshiftSource", "RequestSource", "SavedDataset",
    "SavedDatasetFileStorage", "SnowflakeSource", "SparkQueryExecutor", "SparkSource", "SqlSource",
    "StreamFeatureView", "TrinoSource", "ValueType", "VirtualizedFeatureStore", "batch_feature_view", "on_demand_feature_view",
    "stream_feature_view",
]

# Classes over the compiled part, which definitions do not need: loaded at first use.
_COMPILED = {"FeatureStore": "feature_store", "FeatureStoreMetadata": "feature_store_metadata",
             "MaterializedFeatureStore": "materialized_feature_store", "Pipeline": "pipeline",
             "VirtualizedFeatureStore": "virtualized_feature_store"}


def __getattr__(name: str):
    if name in _COMPILED:
        from importlib import import_module

        return getattr(import_module(f"salver.{_COMPILED[name]}"), name)
    from salver.nearest import nearest_hint

    raise AttributeError(f'salver has no "{name}".{nearest_hint(name, __all__)}')
