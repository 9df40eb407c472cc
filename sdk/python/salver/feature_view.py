"""FeatureView and BatchFeatureView: a named group of features over a source."""

from datetime import timedelta
from typing import Any, Dict, List, Optional

from salver.data_source import DataSource, KafkaSource, KinesisSource, PushSource, RequestSource
from salver.definition import Definition, compact
from salver.duration import duration_json
from salver.entity import Entity
from salver.field import Field, check_schema
from salver.projection import FeatureViewProjection, Projectable
from salver.transformation import Transformation


def check_entities(name: str, entities: Any) -> List[Entity]:
    if entities is None:
        return []
    if not isinstance(entities, (list, tuple)):
        raise TypeError(f'feature view "{name}": entities is {type(entities).__name__}; give a list of Entity objects.')
    for entity in entities:
        if not isinstance(entity, Entity):
            raise TypeError(f'feature view "{name}": entities has {entity!r}; give Entity objects, not names.')
    keys = [entity.join_key for entity in entities]
    if len(set(keys)) != len(keys):
        raise ValueError(f'feature view "{name}" joins twice on one key: {keys}. Give its entities different join keys.')
    return list(entities)


def check_ttl(name: str, ttl: Any) -> Optional[timedelta]:
    if ttl is None or isinstance(ttl, timedelta):
        if ttl is not None and ttl < timedelta(0):
            raise ValueError(f'feature view "{name}": ttl is {ttl}; use 0 for no limit.')
        return ttl
    raise TypeError(f'feature view "{name}": ttl is {ttl!r}; give a timedelta, such as timedelta(days=1).')


def split_schema(entities: List[Entity], schema: List[Field]) -> tuple:
    """(features, entity columns): a join key in the schema says its type and is no feature."""
    keys = {entity.join_key for entity in entities}
    return [f for f in schema if f.name not in keys], [f for f in schema if f.name in keys]


class FeatureView(Definition, Projectable):
    kind = "feature_view"

    def __init__(self, *, name: str, source: Any = None, sink_source: Optional[DataSource] = None,
                 schema: Optional[List[Field]] = None, entities: Optional[List[Entity]] = None,
                 ttl: Optional[timedelta] = timedelta(0), online: bool = True, offline: bool = False, description: str = "",
                 tags: Optional[Dict[str, str]] = None, owner: str = "", org: str = "", mode: Any = None,
                 enable_validation: bool = False, version: str = "latest", enabled: bool = True,
                 feature_transformation: Optional[Transformation] = None) -> None:
        super().__init__(name, description, tags, owner)
        self.entity_list = check_entities(name, entities)
        self.ttl = check_ttl(name, ttl)
        self.schema_fields = check_schema("feature view", name, schema)
        self.features, self.entity_columns = split_schema(self.entity_list, self.schema_fields)
        self.online, self.offline, self.enabled = online, offline, enabled
        self.enable_validation, self.version, self.org = enable_validation, version, org
        self.mode = getattr(mode, "value", mode) or ""
        self.feature_transformation = feature_transformation
        self.source_views: List["FeatureView"] = []
        self.batch_source: Optional[DataSource] = None
        self.stream_source: Optional[DataSource] = None
        self._set_source(source, sink_source)
        self.projection = FeatureViewProjection(name, list(self.features) if schema is not None else None)

    def _set_source(self, source: Any, sink_source: Optional[DataSource]) -> None:
        sources = source if isinstance(source, (list, tuple)) else [source] if source is not None else []
        if sources and all(isinstance(entry, FeatureView) for entry in sources):
            self.source_views = list(sources)
            self.batch_source = sink_source
            return
        if len(sources) != 1 or not isinstance(sources[0], DataSource) or isinstance(sources[0], RequestSource):
            raise TypeError(f'feature view "{self.name}" has source {source!r}; give one data source, or feature views.')
        if isinstance(sources[0], (PushSource, KafkaSource, KinesisSource)):
            self.stream_source = sources[0]
            self.batch_source = sources[0].batch_source
            if self.batch_source is None:
                raise ValueError(f'feature view "{self.name}": its source "{sources[0].name}" has no batch_source, '
                                 "where history is read from. Give it one.")
        else:
            self.batch_source = sources[0]

    @property
    def entities(self) -> List[str]:
        return [entity.name for entity in self.entity_list]

    @property
    def join_keys(self) -> List[str]:
        return [entity.join_key for entity in self.entity_list]

    @property
    def schema(self) -> List[Field]:
        return self.entity_columns + self.features

    @property
    def source(self) -> Optional[DataSource]:
        return self.stream_source or self.batch_source

    def data_sources(self) -> List[DataSource]:
        return [source for source in (self.batch_source, self.stream_source) if source is not None]

    def to_json(self) -> Dict[str, Any]:
        spec = compact({"name": self.name, "entities": self.entities, "features": [f.to_json() for f in self.features],
                        "entity_columns": [f.to_json() for f in self.entity_columns], "tags": self.tags,
                        "ttl": duration_json(self.ttl) if self.ttl is not None else None, "online": self.online,
                        "offline": self.offline, "description": self.description, "owner": self.owner, "mode": self.mode,
                        "enable_validation": self.enable_validation, "version": self.version, "org": self.org,
                        "disabled": not self.enabled,
                        "source_views": [view.to_json()["spec"] for view in self.source_views]})
        if self.batch_source is not None:
            spec["batch_source"] = self.batch_source.to_json()
        if self.stream_source is not None:
            spec["stream_source"] = self.stream_source.to_json()
        if self.feature_transformation is not None:
            spec["feature_transformation"] = self.feature_transformation.to_json()
        return {"spec": spec}


class BatchFeatureView(FeatureView):
    """A feature view with a transformation or aggregations, a message of the same kind."""

    def __init__(self, *, name: str, mode: Any = "python", udf: Any = None, udf_string: Optional[str] = "",
                 feature_transformation: Optional[Transformation] = None, batch_engine: Optional[Dict[str, Any]] = None,
                 aggregations: Optional[list] = None, online: bool = False, **common: Any) -> None:
        if feature_transformation is None and (udf is not None or udf_string):
            feature_transformation = Transformation.of(name, mode, udf, udf_string)
        super().__init__(name=name, mode=mode, online=online, feature_transformation=feature_transformation, **common)
        self.aggregations = list(aggregations or [])
        self.batch_engine = batch_engine

    def to_json(self) -> Dict[str, Any]:
        message = super().to_json()
        if self.aggregations:
            message["spec"]["aggregations"] = [aggregation.to_json() for aggregation in self.aggregations]
        return message


def batch_feature_view(*, name: Optional[str] = None, mode: Any = "python", **common: Any) -> Any:
    """@batch_feature_view(...): the decorated function is the transformation."""

    def decorate(function: Any) -> BatchFeatureView:
        return BatchFeatureView(name=name or function.__name__, mode=mode, udf=function, **common)

    return decorate
