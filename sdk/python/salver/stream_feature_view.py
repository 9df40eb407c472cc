"""StreamFeatureView: features of a stream. Its aggregations are computed over the history of its batch source."""

from datetime import timedelta
from typing import Any, Dict, List, Optional

from salver.data_source import DataSource, KafkaSource, KinesisSource, PushSource
from salver.definition import Definition, compact
from salver.duration import duration_json
from salver.entity import Entity
from salver.feature_view import check_entities, check_ttl, split_schema
from salver.field import Field, check_schema
from salver.projection import FeatureViewProjection, Projectable
from salver.transformation import Transformation


class StreamFeatureView(Definition, Projectable):
    kind = "stream_feature_view"

    def __init__(self, *, name: str, source: Any, sink_source: Optional[DataSource] = None,
                 entities: Optional[List[Entity]] = None, ttl: timedelta = timedelta(0), tags: Optional[Dict[str, str]] = None,
                 online: bool = True, offline: bool = False, description: str = "", owner: str = "", org: str = "",
                 schema: Optional[List[Field]] = None, aggregations: Optional[list] = None, mode: Any = "python",
                 timestamp_field: Optional[str] = "", udf: Any = None, udf_string: Optional[str] = "",
                 feature_transformation: Optional[Transformation] = None, stream_engine: Optional[Dict[str, Any]] = None,
                 enable_tiling: bool = False, tiling_hop_size: Optional[timedelta] = None, enable_validation: bool = False,
                 version: str = "latest") -> None:
        super().__init__(name, description, tags, owner)
        if not isinstance(source, (KafkaSource, KinesisSource, PushSource)):
            raise TypeError(f'stream feature view "{name}" has source {source!r}; give a KafkaSource, KinesisSource or PushSource.')
        self.stream_source = source
        self.batch_source = sink_source or source.batch_source
        self.entity_list = check_entities(name, entities)
        self.ttl = check_ttl(name, ttl)
        self.schema_fields = check_schema("stream feature view", name, schema)
        self.features, self.entity_columns = split_schema(self.entity_list, self.schema_fields)
        if feature_transformation is None and (udf is not None or udf_string):
            feature_transformation = Transformation.of(name, mode, udf, udf_string)
        self.feature_transformation = feature_transformation
        self.aggregations = list(aggregations or [])
        self.mode, self.timestamp_field = getattr(mode, "value", mode) or "", timestamp_field or ""
        self.online, self.org, self.version, self.enable_validation = online, org, version, enable_validation
        self.enable_tiling, self.tiling_hop_size = enable_tiling, tiling_hop_size
        self.projection = FeatureViewProjection(name, list(self.features) if schema is not None else None)

    def data_sources(self) -> List[DataSource]:
        return [s for s in (self.batch_source, self.stream_source) if s is not None]

    def to_json(self) -> Dict[str, Any]:
        spec = compact({"name": self.name, "entities": [entity.name for entity in self.entity_list],
                        "features": [f.to_json() for f in self.features],
                        "entity_columns": [f.to_json() for f in self.entity_columns], "description": self.description,
                        "tags": self.tags, "owner": self.owner, "ttl": duration_json(self.ttl) if self.ttl is not None else None,
                        "online": self.online, "mode": self.mode, "aggregations": [a.to_json() for a in self.aggregations],
                        "timestamp_field": self.timestamp_field, "enable_tiling": self.enable_tiling,
                        "tiling_hop_size": duration_json(self.tiling_hop_size) if self.tiling_hop_size else None,
                        "enable_validation": self.enable_validation, "version": self.version, "org": self.org})
        if self.batch_source is not None:
            spec["batch_source"] = self.batch_source.to_json()
        spec["stream_source"] = self.stream_source.to_json()
        if self.feature_transformation is not None:
            spec["feature_transformation"] = self.feature_transformation.to_json()
        return {"spec": spec}


def stream_feature_view(*, source: Any, name: Optional[str] = None, **common: Any) -> Any:
    """@stream_feature_view(source=...): the decorated function is the transformation."""

    def decorate(function: Any) -> StreamFeatureView:
        return StreamFeatureView(name=name or function.__name__, source=source, udf=function, **common)

    return decorate
