"""FeatureStoreMetadata: which feature groups there are, what they are made from, and whether all is well."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List, Optional

from salver.feature_schema import FeatureGroupSchema
from salver.feature_store import _call

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


@dataclass
class FeatureGroup:
    """One version of a feature group as it is registered."""

    schema: FeatureGroupSchema
    is_virtual: bool
    path: str
    format: str
    sql: Dict[str, str]
    view: str
    created: datetime
    last_updated: datetime

    @staticmethod
    def from_dict(message: Dict[str, Any]) -> "FeatureGroup":
        return FeatureGroup(FeatureGroupSchema.from_dict(message["schema"]), message["is_virtual"], message["path"],
                            message["format"], dict(message["sql"]), message["view"], _moment(message["created_us"]),
                            _moment(message["last_updated_us"]))


class FeatureStoreMetadata:
    """`group` is the newest version, `group@v1` the first, `group:feature` a feature."""

    def __init__(self, repo_path: str = ".", core: Any = None) -> None:
        import pyarrow  # noqa: F401 - loads the Arrow libraries that the core shares

        from salver import _core

        self._core = core if core is not None else _call(_core.FeatureStoreMetadata.open, str(repo_path))

    def register_feature_group(self, feature_group: FeatureGroupSchema, path: str = "", format: str = "parquet",
                               sql: Optional[Dict[str, str]] = None) -> FeatureGroup:
        """Adds a version of a group, or changes one in ways that break nobody. `path` and `format` are of a table that is
        there or will be; `sql` has a SELECT for each feature of a virtual group, which has no table."""
        return FeatureGroup.from_dict(_call(self._core.register, feature_group.to_dict(), path,
                                            "" if sql is not None else format, sql))

    def get_feature_group(self, name: str, version: Optional[int] = None) -> FeatureGroup:
        return FeatureGroup.from_dict(_call(self._core.get, name, version or 0))

    def list_feature_groups(self, all_versions: bool = True) -> List[FeatureGroup]:
        return [FeatureGroup.from_dict(group) for group in _call(self._core.list, all_versions)]

    def list_features(self, group: str = "") -> List[Dict[str, Any]]:
        return list(_call(self._core.list_features, group))

    def set_lineage(self, node: str, inputs: List[str]) -> None:
        _call(self._core.set_lineage, node, list(inputs))

    def get_lineage(self, node: str) -> Dict[str, List[str]]:
        """inputs and dependents: direct; all_inputs and all_dependents: through others too."""
        return dict(_call(self._core.get_lineage, node))

    def get_last_updated(self, name: str) -> datetime:
        return _moment(_call(self._core.last_updated, name))

    def health_check(self) -> Dict[str, Any]:
        """healthy, and checks: what was looked at, what was found, and how long it took."""
        return dict(_call(self._core.health))
