"""MaterializedFeatureStore: feature groups as tables that are written and read."""

from datetime import datetime
from typing import Any, Dict

from salver.feature_group_reader import FeatureGroupReader
from salver.feature_schema import FeatureGroupSchema
from salver.feature_store import _call, _micros, _stream
from salver.feature_store_metadata import FeatureGroup


class MaterializedFeatureStore(FeatureGroupReader):
    def __init__(self, repo_path: str = ".", storage_path: str = "data/feature_groups", storage_format: str = "parquet",
                 cache_enabled: bool = True, cache_size_mb: int = 256) -> None:
        import pyarrow  # noqa: F401 - loads the Arrow libraries that the core shares

        from salver import _core

        self._core = _call(_core.MaterializedFeatureStore, str(repo_path), str(storage_path), storage_format, cache_enabled,
                           cache_size_mb)

    def register_feature_group(self, schema: FeatureGroupSchema) -> FeatureGroup:
        return FeatureGroup.from_dict(_call(self._core.register, schema.to_dict()))

    def write_features(self, feature_group: str, data: Any, mode: str = "append", backfill: bool = False,
                       version: int = 0) -> Dict[str, int]:
        """mode: "append" or "overwrite"; backfill: rows within the times of `data` are replaced."""
        if mode not in ("append", "overwrite"):
            raise ValueError(f'mode "{mode}" is neither "append" nor "overwrite".')
        return dict(_call(self._core.write, feature_group, _stream(data), mode == "overwrite", backfill, version))

    def backfill(self, feature_group: str, data: Any, start_date: datetime, end_date: datetime) -> Dict[str, int]:
        """Makes `data` all that there is from start_date to end_date, both included."""
        return dict(_call(self._core.backfill, feature_group, _stream(data), _micros(start_date), _micros(end_date)))

    def lookup_stats(self) -> Dict[str, int]:
        return dict(self._core.lookup_stats())
