"""Messages of the registry as the objects that were applied, so that what list_... and get_... return can be read,
changed and applied again.

Views of streams, on-demand views, label views, permissions, and sources that this release does not read come as
Registered: their message, for reading.
"""

import json
from datetime import datetime, timedelta
from typing import Any, Callable, Dict, List, Optional

from salver.aggregation import Aggregation
from salver.data_format import DeltaFormat, FileFormat
from salver.data_source import DataSource, FileSource, PushSource, RequestSource, SqlSource
from salver.definition import Definition
from salver.entity import Entity
from salver.feature_service import FeatureService
from salver.feature_view import BatchFeatureView, FeatureView
from salver.field import Field
from salver.project import Project
from salver.projection import FeatureViewProjection
from salver.saved_dataset import SavedDataset, SavedDatasetFileStorage
from salver.types import STRUCT_SCHEMA_TAG, Array, FeastType, Set, Struct, from_value_type
from salver.value_type import ValueType

DUMMY_ENTITY = "__dummy"  # of views without entities; Feast's registries have it too


def _time(text: Optional[str]) -> Optional[datetime]:
    if not text:
        return None
    head, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{(fraction + '000000')[:6]}+00:00")


def _duration(text: Optional[str]) -> Optional[timedelta]:
    if not text:
        return None
    seconds, _, fraction = text.rstrip("s").partition(".")
    micros = int((fraction + "000000")[:6])
    return timedelta(seconds=int(seconds), microseconds=-micros if seconds.startswith("-") else micros)


def _mark(target: Any, message: Dict[str, Any]) -> Any:
    """The state that the registry keeps beside a definition, as attributes."""
    meta = message.get("meta", {})
    target.created_timestamp = _time(meta.get("created_timestamp"))
    target.last_updated_timestamp = _time(meta.get("last_updated_timestamp"))
    target.materialization_intervals = [(_time(i["start_time"]), _time(i["end_time"]))
                                        for i in meta.get("materialization_intervals", [])]
    target.message = message
    return target


def _file_format(options: Dict[str, Any]) -> Optional[FileFormat]:
    """None where the suffix tells, or Parquet, which is what a source without one is."""
    written = options.get("file_format", {})
    delta = written.get("delta_format")
    if delta is not None:
        return DeltaFormat(delta.get("checkpoint_location"), delta.get("properties"))
    return None


class Registered:
    """One object of the registry. Its message is in `message`; every field of its spec is an attribute."""

    def __init__(self, message: Dict[str, Any], kind: str = "data_source") -> None:
        self.kind = kind
        self._spec = message.get("spec", message)
        _mark(self, message)

    @property
    def name(self) -> str:
        return self._spec["name"]

    @property
    def tags(self) -> Dict[str, str]:
        return dict(self._spec.get("tags", {}))

    @property
    def description(self) -> str:
        return self._spec.get("description", "")

    @property
    def owner(self) -> str:
        return self._spec.get("owner", "")

    @property
    def features(self) -> List[Field]:
        return [field(feature) for feature in self._spec.get("features", [])]

    @property
    def ttl(self) -> Optional[timedelta]:
        return _duration(self._spec.get("ttl"))

    def __getattr__(self, name: str) -> Any:
        spec = self.__dict__.get("_spec", {})
        if name in spec:
            return spec[name]
        raise AttributeError(f'"{spec.get("name")}" has no attribute "{name}"')

    def __repr__(self) -> str:
        return f"<Registered({self.name})>"


def _type(value_type: ValueType, tags: Dict[str, str]) -> FeastType:
    if value_type in (ValueType.STRUCT, ValueType.STRUCT_LIST):
        members = json.loads(tags.get(STRUCT_SCHEMA_TAG, "{}"))
        if not members:
            return FeastType(value_type.name, value_type)
        struct = Struct({name: _type(ValueType[member], {}) for name, member in members.items()})
        return struct if value_type == ValueType.STRUCT else Array(struct)
    if value_type in (ValueType.VALUE_LIST, ValueType.VALUE_SET):  # the registry does not say of what
        return FeastType(value_type.name, value_type)
    return from_value_type(value_type)


def field(message: Dict[str, Any]) -> Field:
    tags = message.get("tags", {})
    own_tags = {key: value for key, value in tags.items() if key != STRUCT_SCHEMA_TAG}
    return Field(name=message["name"], dtype=_type(ValueType[message["value_type"]], tags), tags=own_tags,
                 description=message.get("description", ""), vector_index=message.get("vector_index", False),
                 vector_length=message.get("vector_length", 0), vector_search_metric=message.get("vector_search_metric"))


def _common(message: Dict[str, Any]) -> Dict[str, Any]:
    return {name: message[name] for name in ("description", "tags", "owner") if name in message}


def data_source(message: Dict[str, Any]) -> Any:
    """A FileSource, SqlSource, PushSource or RequestSource; others are Registered."""
    kind = message.get("type")
    common = {"name": message.get("name", ""), **_common(message)}
    if kind == "BATCH_FILE":
        options = message.get("file_options", {})
        columns = {name: message.get(name) for name in ("timestamp_field", "created_timestamp_column", "field_mapping")}
        source: Any = SqlSource(query=message["sql"], **columns, **common) if message.get("sql") else FileSource(
            path=options.get("uri", ""), **columns, **common, s3_endpoint_override=options.get("s3_endpoint_override"),
            file_format=_file_format(options))
        source.date_partition_column = message.get("date_partition_column", "")
    elif kind == "PUSH_SOURCE":
        batch = message.get("batch_source")
        inner = data_source(batch) if batch else None
        if inner is not None and not isinstance(inner, DataSource):
            return Registered(message)
        source = PushSource(batch_source=inner, **common)
    elif kind == "REQUEST_SOURCE":
        schema = message.get("request_data_options", {}).get("schema", [])
        source = RequestSource(schema=[field(f) for f in schema], timestamp_field=message.get("timestamp_field"), **common)
    else:
        return Registered(message)
    return _mark(source, message)


def entity(message: Dict[str, Any]) -> Entity:
    spec = message["spec"]
    made = Entity(name=spec["name"], join_keys=[spec["join_key"]] if spec.get("join_key") else None,
                  value_type=ValueType[spec.get("value_type", "INVALID").replace("INVALID", "UNKNOWN")], **_common(spec))
    return _mark(made, message)


def project(message: Dict[str, Any]) -> Project:
    return _mark(Project(name=message["spec"]["name"], **_common(message["spec"])), message)


def aggregation(message: Dict[str, Any]) -> Aggregation:
    return Aggregation(column=message.get("column"), function=message.get("function"), name=message.get("name"),
                       time_window=_duration(message.get("time_window")),
                       slide_interval=_duration(message.get("slide_interval")))


def feature_view(message: Dict[str, Any], entities: Dict[str, Entity]) -> Any:
    """A FeatureView, a BatchFeatureView with aggregations; Registered when it has a transformation or a source that has no class here."""
    spec = message["spec"]
    source = data_source(spec.get("stream_source") or spec.get("batch_source") or {})
    names = [name for name in spec.get("entities", []) if name != DUMMY_ENTITY]
    if not isinstance(source, DataSource) or "feature_transformation" in spec or any(n not in entities for n in names):
        return Registered(message, "feature_view")
    columns = [column for column in spec.get("entity_columns", []) if column["name"] != DUMMY_ENTITY + "_id"]
    aggregated = {"aggregations": [aggregation(a) for a in spec["aggregations"]]} if "aggregations" in spec else {}
    view = (BatchFeatureView if aggregated else FeatureView)(
        name=spec["name"], entities=[entities[name] for name in names], source=source,
        schema=[field(f) for f in columns + spec.get("features", [])], ttl=_duration(spec.get("ttl")),
        online=spec.get("online", False), offline=spec.get("offline", False), org=spec.get("org", ""), mode=spec.get("mode"),
        enable_validation=spec.get("enable_validation", False), version=spec.get("version", "latest"),
        enabled=not spec.get("disabled", False), **aggregated, **_common(spec))
    return _mark(view, message)


def _projection(message: Dict[str, Any]) -> FeatureViewProjection:
    projection = FeatureViewProjection(message["feature_view_name"], [field(f) for f in message.get("feature_columns", [])])
    projection.name_alias = message.get("feature_view_name_alias")
    projection.join_key_map = dict(message.get("join_key_map", {}))
    return projection


def feature_service(message: Dict[str, Any]) -> Any:
    """A FeatureService; Registered when it logs what it serves."""
    spec = message["spec"]
    if "logging_config" in spec:
        return Registered(message, "feature_service")
    service = FeatureService(name=spec["name"], features=[_projection(p) for p in spec.get("features", [])],
                             precompute_online=spec.get("precompute_online", False), **_common(spec))
    return _mark(service, message)


def saved_dataset(message: Dict[str, Any]) -> SavedDataset:
    spec, meta = message["spec"], message.get("meta", {})
    options = spec.get("storage", {}).get("file_storage", {})
    storage = SavedDatasetFileStorage(options.get("uri", ""), _file_format(options), options.get("s3_endpoint_override"))
    made = SavedDataset(spec["name"], spec.get("features", []), spec.get("join_keys", []), storage,
                        spec.get("full_feature_names", False), spec.get("tags"), spec.get("feature_service_name"))
    for name in ("created_timestamp", "last_updated_timestamp", "min_event_timestamp", "max_event_timestamp"):
        setattr(made, name, _time(meta.get(name)))
    return made


class RegistryObjects:
    """The objects of one project (None: of all), made from the registry as protobuf JSON."""

    def __init__(self, registry: Dict[str, Any], project_name: Optional[str]) -> None:
        self._registry, self._project = registry, project_name

    def _read(self, member: str, make: Callable[[Dict[str, Any]], Any]) -> List[Any]:
        return [make(message) for message in self._registry.get(member, [])
                if self._project is None or message.get("spec", message).get("project") == self._project]

    def projects(self) -> List[Project]:
        return [project(message) for message in self._registry.get("projects", [])]

    def entities(self) -> List[Entity]:
        return [made for made in self._read("entities", entity) if made.name != DUMMY_ENTITY]

    def data_sources(self) -> List[Any]:
        return self._read("data_sources", data_source)

    def feature_views(self) -> List[Any]:
        by_name = {made.name: made for made in self.entities()}
        return self._read("feature_views", lambda message: feature_view(message, by_name))

    def feature_services(self) -> List[Any]:
        return self._read("feature_services", feature_service)

    def saved_datasets(self) -> List[SavedDataset]:
        return self._read("saved_datasets", saved_dataset)

    def others(self, member: str) -> List[Registered]:
        return self._read(member, lambda message: Registered(message, member.rstrip("s")))
