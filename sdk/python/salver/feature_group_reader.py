"""Reading features of feature groups, as both kinds of store do."""

from datetime import datetime
from typing import Any, List, Optional

from salver.feature_store import _call, _micros, _stream, _table
from salver.feature_store_metadata import FeatureStoreMetadata


def _entity_rows(entity_ids: Any) -> Any:
    """An Arrow table of a table, a DataFrame, a dict of lists, or a list of dicts."""
    import pyarrow

    if isinstance(entity_ids, (list, tuple)):
        names = dict.fromkeys(name for row in entity_ids for name in row)
        entity_ids = {name: [row.get(name) for row in entity_ids] for name in names}
    return _stream(entity_ids) if not isinstance(entity_ids, pyarrow.Table) else entity_ids


class FeatureGroupReader:
    _core: Any

    @property
    def metadata(self) -> FeatureStoreMetadata:
        return FeatureStoreMetadata(core=self._core.metadata())

    def get_features(self, feature_names: List[str], entity_ids: Any, point_in_time: Optional[datetime] = None,
                     full_feature_names: bool = False) -> Any:
        """An Arrow table: entity_ids, then each feature ("group:feature", "group@v1:feature", or "feature" alone) as it was
        at point_in_time, at the row's own "event_timestamp", or now."""
        return _table(_call(self._core.read, list(feature_names), _entity_rows(entity_ids), _micros(point_in_time),
                            full_feature_names))

    def health_check(self) -> Any:
        return dict(_call(self._core.health))

    def cache_stats(self) -> Any:
        return dict(self._core.cache_stats())
