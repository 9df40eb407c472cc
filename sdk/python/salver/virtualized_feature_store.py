"""VirtualizedFeatureStore: feature groups whose features are SQL, computed when they are asked for."""

from datetime import datetime
from typing import Any, Dict, List, Optional

from salver.feature_group_reader import FeatureGroupReader, _entity_rows
from salver.feature_schema import FeatureGroupSchema
from salver.feature_store import _call, _micros
from salver.feature_store_metadata import FeatureGroup
from salver.query_executor import DuckDBQueryExecutor, QueryExecutor, _Adapter


class VirtualizedFeatureStore(FeatureGroupReader):
    def __init__(self, repo_path: str = ".", query_executor: Optional[QueryExecutor] = None) -> None:
        import pyarrow  # noqa: F401 - loads the Arrow libraries that the core shares

        from salver import _core

        executor = query_executor or DuckDBQueryExecutor()
        if isinstance(executor, DuckDBQueryExecutor):
            self._core = _call(_core.VirtualizedFeatureStore, str(repo_path), float(executor.query_timeout_seconds),
                               executor.enable_caching, executor.cache_size_mb)
        elif isinstance(executor, QueryExecutor):
            self._core = _call(_core.VirtualizedFeatureStore, str(repo_path), executor.name, _Adapter(executor))
        else:
            raise TypeError(f"query_executor is a {type(executor).__name__}. Give a DuckDBQueryExecutor, or a class of "
                            "your own below QueryExecutor.")

    def define_virtual_features(self, feature_group: FeatureGroupSchema, sql: Dict[str, str]) -> FeatureGroup:
        """sql: a SELECT for each feature, with the entity keys, the timestamp key and the feature."""
        return FeatureGroup.from_dict(_call(self._core.define, feature_group.to_dict(), dict(sql)))

    def explain(self, feature_names: List[str], entity_ids: Any, point_in_time: Optional[datetime] = None) -> str:
        return _call(self._core.explain, list(feature_names), _entity_rows(entity_ids), _micros(point_in_time))
