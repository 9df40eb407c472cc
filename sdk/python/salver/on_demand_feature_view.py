"""OnDemandFeatureView: features computed from other features and from the request. Registered, not computed yet."""

from typing import Any, Dict, List, Optional

from salver.data_source import DataSource, RequestSource
from salver.definition import Definition, compact
from salver.entity import Entity
from salver.feature_view import FeatureView, check_entities
from salver.field import Field, check_schema
from salver.projection import FeatureViewProjection, Projectable
from salver.transformation import Transformation


class OnDemandFeatureView(Definition, Projectable):
    kind = "on_demand_feature_view"

    def __init__(self, *, name: str, entities: Optional[List[Entity]] = None, schema: Optional[List[Field]] = None,
                 sources: Optional[List[Any]] = None, input_schema: Optional[List[Field]] = None, udf: Any = None,
                 udf_string: Optional[str] = "", feature_transformation: Optional[Transformation] = None, mode: Any = "pandas",
                 description: str = "", tags: Optional[Dict[str, str]] = None, owner: str = "", org: str = "",
                 write_to_online_store: bool = False, singleton: bool = False, track_metrics: bool = False,
                 aggregations: Optional[list] = None, version: str = "latest", enabled: bool = True) -> None:
        super().__init__(name, description, tags, owner)
        self.entity_list = check_entities(name, entities)
        self.features = self.schema_fields = check_schema("on-demand feature view", name, schema)
        self.mode = getattr(mode, "value", mode) or "pandas"
        self.sources: Dict[str, Any] = {}
        for source in sources or []:
            if isinstance(source, RequestSource):
                self.sources[source.name] = source
            elif isinstance(source, FeatureView):
                self.sources[source.name] = source.projection
            elif isinstance(source, FeatureViewProjection):
                self.sources[source.name] = source
            else:
                raise TypeError(f'on-demand feature view "{name}": sources has {source!r}; give feature views and RequestSource objects.')
        if not self.sources and not aggregations:
            raise ValueError(f'on-demand feature view "{name}" has no sources; give sources=[feature_view, request_source].')
        if feature_transformation is None and (udf is not None or udf_string):
            feature_transformation = Transformation.of(name, self.mode, udf, udf_string)
        self.feature_transformation = feature_transformation
        self.aggregations = list(aggregations or [])
        self.write_to_online_store, self.singleton, self.enabled = write_to_online_store, singleton, enabled
        self.version, self.org = version, org
        self.projection = FeatureViewProjection(name, list(self.features))

    def data_sources(self) -> List[DataSource]:
        return [source for source in self.sources.values() if isinstance(source, DataSource)]

    def to_json(self) -> Dict[str, Any]:
        sources = {}
        for name, source in self.sources.items():
            if isinstance(source, RequestSource):
                sources[name] = {"request_data_source": source.to_json(nested=True)}
            else:
                sources[name] = {"feature_view_projection": source.to_json()}
        spec = compact({"name": self.name, "features": [f.to_json() for f in self.features], "sources": sources,
                        "description": self.description, "tags": self.tags, "owner": self.owner, "mode": self.mode,
                        "write_to_online_store": self.write_to_online_store,
                        "entities": [entity.name for entity in self.entity_list], "singleton": self.singleton,
                        "aggregations": [a.to_json() for a in self.aggregations], "version": self.version, "org": self.org,
                        "disabled": not self.enabled})
        if self.feature_transformation is not None:
            spec["feature_transformation"] = self.feature_transformation.to_json()
        return {"spec": spec}


def on_demand_feature_view(*, name: Optional[str] = None, **common: Any) -> Any:
    """@on_demand_feature_view(...): the decorated function is the transformation, its name the view's."""

    def decorate(function: Any) -> OnDemandFeatureView:
        view = OnDemandFeatureView(name=name or function.__name__, udf=function, **common)
        view.__doc__ = function.__doc__
        return view

    return decorate
