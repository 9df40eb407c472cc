"""FeatureViewProjection: a view as a service uses it."""

import copy
from typing import Any, Dict, List, Optional

from salver.definition import compact
from salver.field import Field
from salver.nearest import nearest_hint


class FeatureViewProjection:
    """Some features of a view, perhaps under another name and with other join key columns."""

    def __init__(self, name: str, features: Optional[List[Field]]) -> None:
        self.name = name
        self.name_alias: Optional[str] = None
        self.features = features  # None: all of a view whose schema is inferred when it is applied
        self.join_key_map: Dict[str, str] = {}

    def name_to_use(self) -> str:
        return self.name_alias or self.name

    def to_json(self) -> Dict[str, Any]:
        return compact({"feature_view_name": self.name, "feature_view_name_alias": self.name_alias,
                        "feature_columns": [field.to_json() for field in self.features or []],
                        "join_key_map": self.join_key_map, "view_type": "featureView"})


class Projectable:
    """What views share: fv[["a"]], with_name, with_join_key_map, each a changed copy."""

    name: str
    schema_fields: List[Field]
    projection: FeatureViewProjection

    def _copy(self) -> Any:
        other = copy.copy(self)
        other.projection = copy.copy(self.projection)
        other.projection.join_key_map = dict(self.projection.join_key_map)
        return other

    def __getitem__(self, names: Any) -> Any:
        if isinstance(names, str) or not isinstance(names, (list, tuple)):
            raise TypeError(f'feature view "{self.name}": choose features with a list: {self.name}[["feature"]].')
        by_name = {field.name: field for field in self.projection.features or []}
        chosen = []
        for name in names:
            if by_name and name not in by_name:
                raise KeyError(f'feature "{name}" is not in feature view "{self.name}".{nearest_hint(name, by_name)}')
            chosen.append(by_name.get(name) or _Named(name))
        other = self._copy()
        other.projection.features = chosen
        return other

    def with_name(self, name: str) -> Any:
        other = self._copy()
        other.projection.name_alias = name
        return other

    def with_join_key_map(self, join_key_map: Dict[str, str]) -> Any:
        other = self._copy()
        other.projection.join_key_map = dict(join_key_map)
        return other


class _Named:
    """A feature of a view whose schema is not known yet: the core fills in its type."""

    def __init__(self, name: str) -> None:
        self.name = name

    def to_json(self) -> Dict[str, Any]:
        return {"name": self.name}
