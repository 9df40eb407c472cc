"""Training sets that are kept: where they lie, and what the registry knows of them."""

from datetime import datetime
from typing import Any, Dict, List, Optional

from salver.data_format import FileFormat


class SavedDatasetStorage:
    """Base of all storages."""


class SavedDatasetFileStorage(SavedDatasetStorage):
    """A file by its suffix, else a folder with a Parquet file in it. Relative paths start at the repository."""

    def __init__(self, path: str, file_format: Optional[FileFormat] = None, s3_endpoint_override: Optional[str] = None) -> None:
        self.path, self.file_format, self.s3_endpoint_override = str(path), file_format, s3_endpoint_override or ""

    @property
    def format_name(self) -> str:
        """parquet; empty: by suffix."""
        return next(iter(self.file_format.to_json())).removesuffix("_format") if self.file_format else ""


class SavedDataset:
    """What create_saved_dataset, get_saved_dataset and list_saved_datasets return; to_df and to_arrow read the rows."""

    def __init__(self, name: str, features: List[str], join_keys: List[str], storage: SavedDatasetStorage,
                 full_feature_names: bool = False, tags: Optional[Dict[str, str]] = None,
                 feature_service_name: Optional[str] = None) -> None:
        self.name, self.features, self.join_keys, self.storage = name, features, join_keys, storage
        self.full_feature_names, self.tags, self.feature_service_name = full_feature_names, tags or {}, feature_service_name
        self.created_timestamp: Optional[datetime] = None
        self.last_updated_timestamp: Optional[datetime] = None
        self.min_event_timestamp: Optional[datetime] = None
        self.max_event_timestamp: Optional[datetime] = None
        self._read: Any = None

    def to_arrow(self) -> Any:
        if self._read is None:
            raise ValueError(f'saved dataset "{self.name}" was not read from a registry; use FeatureStore.get_saved_dataset.')
        return self._read()

    def to_df(self) -> Any:
        return self.to_arrow().to_pandas()

    def __repr__(self) -> str:
        return f"SavedDataset(name={self.name!r}, features={self.features!r}, storage={getattr(self.storage, 'path', None)!r})"
