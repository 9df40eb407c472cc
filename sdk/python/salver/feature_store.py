"""FeatureStore: a repository opened, with Feast's method names. A thin cover of the compiled core."""

import json
import os
from datetime import datetime, timezone
from typing import Any, Dict, List, Optional, Union

from salver import definitions
from salver.data_source import PushMode
from salver.errors import (FeastObjectNotFoundException, FeatureServiceNotFoundException, FeatureViewNotFoundException,
                           from_core)
from salver.feature_service import FeatureService
from salver.filter_models import to_dict
from salver.nearest import nearest_hint
from salver.registered import Registered, RegistryObjects
from salver.saved_dataset import SavedDataset, SavedDatasetFileStorage

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _micros(moment: Optional[datetime]) -> Optional[int]:
    """UTC microseconds; a datetime without a zone means UTC."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _stream(rows: Any) -> Any:
    """Rows as something with __arrow_c_stream__: pyarrow tables as they are, pandas frames through pyarrow."""
    import pyarrow

    if isinstance(rows, pyarrow.Table):
        return rows
    if isinstance(rows, dict):
        return pyarrow.table(rows)
    return pyarrow.Table.from_pandas(rows, preserve_index=False)


def _selection(features: Union[List[str], FeatureService, Registered, None]) -> tuple:
    """(references, service name)"""
    if features is None or isinstance(features, (list, tuple)):
        return list(features or []), ""
    return [], features.name


def _table(stream: Any) -> Any:
    """An Arrow table from a stream of the core. (pyarrow.table() would import pandas to see what it was given.)"""
    import pyarrow

    return pyarrow.RecordBatchReader.from_stream(stream).read_all()


class RetrievalJob:
    """A training set that is known but not yet computed; each to_... computes it."""

    def __init__(self, job: Any) -> None:
        self._job = job

    def explain(self, analyze: bool = False) -> str:
        """The plan and what it will read; with analyze it is run, and the text says what each step did."""
        return _call(self._job.explain, analyze)

    def to_arrow(self, validation_reference: Any = None, timeout: Optional[int] = None) -> Any:
        return _table(_call(self._job.run))

    def persist(self, storage: SavedDatasetFileStorage, allow_overwrite: bool = False, timeout: Optional[int] = None) -> None:
        """Computes it and keeps the rows in `storage`, which must not be there yet unless allow_overwrite."""
        _call(self._job.persist, storage.path, storage.format_name, storage.s3_endpoint_override, allow_overwrite)

    def to_df(self, validation_reference: Any = None, timeout: Optional[int] = None) -> Any:
        return self.to_arrow().to_pandas()


class OnlineResponse:
    """The answer of get_online_features, join keys first."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def to_arrow(self, include_event_timestamps: bool = False) -> Any:
        return _table(self._answer.table())

    def to_dict(self, include_event_timestamps: bool = False) -> Dict[str, List[Any]]:
        values = self.to_arrow().to_pydict()
        if include_event_timestamps:
            for name, times in zip(self._answer.names, self._answer.event_us):
                values[name + "__ts"] = [micros // 1_000_000 for micros in times]
        return values

    def to_df(self, include_event_timestamps: bool = False) -> Any:
        import pandas

        return pandas.DataFrame(self.to_dict(include_event_timestamps))


def _call(function: Any, *arguments: Any) -> Any:
    from salver import _core

    try:
        return function(*arguments)
    except _core.Error as error:
        raise from_core(error) from None


class FeatureStore:
    def __init__(self, repo_path: Optional[str] = None, config: Any = None, fs_yaml_file: Any = None) -> None:
        import pyarrow  # loads the Arrow libraries that the core shares

        from salver import _core

        if config is not None:
            raise TypeError("FeatureStore(config=...) is not supported; write feature_store.yaml and give repo_path.")
        self._core = _call(_core.Store, str(repo_path or "."), str(fs_yaml_file or ""))

    @property
    def project(self) -> str:
        return self._core.project()

    def apply(self, objects: Any, objects_to_delete: Any = None, partial: bool = True) -> Dict[str, Any]:
        """Adds or changes these objects; with partial=False, objects_to_delete go. Returns what changed."""
        return self._apply(objects, None if partial else objects_to_delete, plan_only=False)

    def plan(self, objects: Any, objects_to_delete: Any = None) -> Dict[str, Any]:
        """What apply (with partial=False) would change."""
        return self._apply(objects, objects_to_delete, plan_only=True)

    def _apply(self, objects: Any, objects_to_delete: Any, plan_only: bool) -> Dict[str, Any]:
        listed = objects if isinstance(objects, (list, tuple)) else [objects]
        deletes = [f"{entry.kind}:{entry.name}" for entry in objects_to_delete or []]
        return json.loads(_call(self._core.apply, definitions.to_json(listed, self.project), deletes, plan_only))

    def teardown(self) -> None:
        _call(self._core.teardown)

    def refresh_registry(self) -> None:
        """The registry is looked at again at every call that lists; nothing is cached here."""

    def get_historical_features(self, entity_df: Any = None, features: Any = None, full_feature_names: bool = False,
                                start_date: Optional[datetime] = None, end_date: Optional[datetime] = None,
                                filter_by_created_timestamp: bool = False) -> RetrievalJob:
        """entity_df: a DataFrame, an Arrow table, a dict of columns, the path or URI of a file, or a SQL text."""
        references, service = _selection(features)
        named = isinstance(entity_df, (str, os.PathLike))
        rows = None if entity_df is None or named else _stream(entity_df)
        entity_source = os.fspath(entity_df) if named else ""
        return RetrievalJob(_call(self._core.historical, rows, entity_source, references, service, full_feature_names, _micros(start_date),
                                  _micros(end_date), filter_by_created_timestamp))

    def get_online_features(self, features: Any, entity_rows: Any, full_feature_names: bool = False) -> OnlineResponse:
        """entity_rows: a list of dicts, or a dict of lists."""
        references, service = _selection(features)
        if isinstance(entity_rows, (list, tuple)):
            names = dict.fromkeys(name for row in entity_rows for name in row)
            entity_rows = {name: [row.get(name) for row in entity_rows] for name in names}
        entities = {name: [getattr(v, "item", lambda v=v: v)() for v in values] for name, values in entity_rows.items()}
        return OnlineResponse(_call(self._core.online, references, service, entities, full_feature_names))

    def retrieve_online_documents(self, query: Union[str, List[float]], top_k: int, features: List[str],
                                  distance_metric: Optional[str] = "L2") -> OnlineResponse:
        """The top_k rows nearest to a vector, with the features, join keys and "distance" that `features` names."""
        if isinstance(query, str):
            raise ValueError("query is text. Make a vector of it first, or give it to retrieve_online_documents_v2 as "
                             "query_string.")
        return self._documents(features, query, None, top_k, distance_metric, None, True)

    def retrieve_online_documents_v2(self, features: Union[List[str], FeatureService], top_k: int,
                                     query: Optional[List[float]] = None, query_string: Optional[str] = None,
                                     distance_metric: Optional[str] = "L2", query_image_bytes: Optional[bytes] = None,
                                     query_image_model: Optional[str] = "resnet34", combine_with_text: bool = False,
                                     text_weight: float = 5, image_weight: float = 5,
                                     combine_strategy: str = "weighted_sum",
                                     include_feature_view_version_metadata: bool = False,
                                     filters: Any = None) -> OnlineResponse:
        """The top_k rows nearest to a vector, or with words in them (query_string), or both: those with the words, by
        their vectors. filters: salver.filter_models, or the dict that they stand for."""
        if query_image_bytes is not None:
            raise ValueError("query_image_bytes: images are not made vectors of here. Give the vector as query.")
        return self._documents(features, query, query_string, top_k, distance_metric, filters, False)

    def _documents(self, features: Any, query: Any, query_string: Optional[str], top_k: int, metric: Optional[str],
                   filters: Any, first_version: bool) -> OnlineResponse:
        references, service = _selection(features)
        vector = [] if query is None else [float(element) for element in query]
        if top_k < 0:
            raise ValueError(f"top_k is {top_k}. Give a whole number from 1 on.")
        return OnlineResponse(_call(self._core.documents, references, service, vector, query_string or "", top_k, metric or "",
                                    "" if filters is None else json.dumps(to_dict(filters)), first_version))

    def materialize(self, start_date: datetime, end_date: datetime, feature_views: Optional[List[str]] = None,
                    disable_event_timestamp: bool = False, progress: Any = None) -> Dict[str, Any]:
        return json.loads(_call(self._core.materialize, _micros(start_date), _micros(end_date), list(feature_views or []),
                                disable_event_timestamp, progress))

    def materialize_incremental(self, end_date: datetime, feature_views: Optional[List[str]] = None,
                                progress: Any = None) -> Dict[str, Any]:
        return json.loads(_call(self._core.materialize, None, _micros(end_date), list(feature_views or []), False, progress))

    def push(self, push_source_name: str, df: Any, allow_registry_cache: bool = True, to: PushMode = PushMode.ONLINE,
             transform_on_write: bool = True) -> None:
        _call(self._core.push, push_source_name, _stream(df), to.name.lower())

    def write_to_online_store(self, feature_view_name: str, df: Any = None, inputs: Any = None,
                              allow_registry_cache: bool = True, transform_on_write: bool = True) -> None:
        _call(self._core.write_online, feature_view_name, _stream(df if df is not None else inputs))

    def write_to_offline_store(self, feature_view_name: str, df: Any, allow_registry_cache: bool = True,
                               reorder_columns: bool = True) -> None:
        """Adds rows to the view's batch source: exactly its columns. Durable when it returns."""
        _call(self._core.write_offline, feature_view_name, _stream(df))

    def pull_latest_from_table_or_query(self, data_source: Any, join_key_columns: List[str],
                                        feature_name_columns: Optional[List[str]] = None, start_date: Optional[datetime] = None,
                                        end_date: Optional[datetime] = None) -> Any:
        """The newest row of each key between two dates, as a pyarrow.RecordBatchReader. data_source: registered, or its name."""
        return self._pull(True, data_source, join_key_columns, feature_name_columns, start_date, end_date)

    def pull_all_from_table_or_query(self, data_source: Any, join_key_columns: Optional[List[str]] = None,
                                     feature_name_columns: Optional[List[str]] = None, start_date: Optional[datetime] = None,
                                     end_date: Optional[datetime] = None) -> Any:
        """Every row between two dates, in the source's order, as a pyarrow.RecordBatchReader."""
        return self._pull(False, data_source, join_key_columns, feature_name_columns, start_date, end_date)

    def _pull(self, latest: bool, data_source: Any, join_keys: Any, features: Any, start_date: Any, end_date: Any) -> Any:
        import pyarrow

        stream = _call(self._core.pull, latest, getattr(data_source, "name", data_source), list(join_keys or []),
                       list(features or []), _micros(start_date), _micros(end_date))
        return pyarrow.RecordBatchReader.from_stream(stream)

    def create_saved_dataset(self, from_: RetrievalJob, name: str, storage: SavedDatasetFileStorage,
                             tags: Optional[Dict[str, str]] = None, feature_service: Any = None,
                             allow_overwrite: bool = False) -> SavedDataset:
        """Computes the job, keeps its rows in `storage` and registers them under `name`."""
        _call(self._core.create_saved_dataset, from_._job, name, storage.path, storage.format_name, storage.s3_endpoint_override,
              list((tags or {}).items()), feature_service.name if feature_service else "", allow_overwrite)
        return self.get_saved_dataset(name)

    def list_saved_datasets(self, allow_cache: bool = False, tags: Optional[Dict[str, str]] = None) -> List[SavedDataset]:
        datasets = self._objects().saved_datasets()
        for dataset in datasets:
            dataset._read = lambda name=dataset.name: _table(_call(self._core.read_saved_dataset, name))
        return _with_tags(datasets, tags)

    def get_saved_dataset(self, name: str) -> SavedDataset:
        return self._get("saved dataset", FeastObjectNotFoundException, name, self.list_saved_datasets())

    def delete_saved_dataset(self, name: str) -> None:
        """Takes it out of the registry; its rows stay where they are."""
        _call(self._core.delete_saved_dataset, name)

    def _objects(self) -> RegistryObjects:
        return RegistryObjects(json.loads(_call(self._core.registry_json)), self.project)

    def list_projects(self, allow_cache: bool = False, tags: Optional[Dict[str, str]] = None) -> List[Any]:
        return _with_tags(self._objects().projects(), tags)

    def list_entities(self, allow_cache: bool = False, tags: Optional[Dict[str, str]] = None) -> List[Any]:
        return _with_tags(self._objects().entities(), tags)

    def list_data_sources(self, allow_cache: bool = False, tags: Optional[Dict[str, str]] = None) -> List[Any]:
        return _with_tags(self._objects().data_sources(), tags)

    def list_feature_views(self, allow_cache: bool = False, tags: Optional[Dict[str, str]] = None) -> List[Any]:
        return _with_tags(self._objects().feature_views(), tags)

    list_batch_feature_views = list_feature_views

    def list_stream_feature_views(self, allow_cache: bool = False, tags: Optional[Dict[str, str]] = None) -> List[Any]:
        return _with_tags(self._objects().others("stream_feature_views"), tags)

    def list_on_demand_feature_views(self, allow_cache: bool = False, tags: Optional[Dict[str, str]] = None) -> List[Any]:
        return _with_tags(self._objects().others("on_demand_feature_views"), tags)

    def list_label_views(self, allow_cache: bool = False, tags: Optional[Dict[str, str]] = None) -> List[Any]:
        return _with_tags(self._objects().others("label_views"), tags)

    def list_all_feature_views(self, allow_cache: bool = False, tags: Optional[Dict[str, str]] = None) -> List[Any]:
        return [*self.list_feature_views(tags=tags), *self.list_stream_feature_views(tags=tags),
                *self.list_on_demand_feature_views(tags=tags), *self.list_label_views(tags=tags)]

    def list_feature_services(self, tags: Optional[Dict[str, str]] = None) -> List[Any]:
        return _with_tags(self._objects().feature_services(), tags)

    def _get(self, kind: str, error: type, name: str, candidates: List[Any]) -> Any:
        for candidate in candidates:
            if candidate.name == name:
                return candidate
        hint = nearest_hint(name, [candidate.name for candidate in candidates])
        raise error("NotFound", f'{kind} "{name}" is not in project "{self.project}".{hint or " It has none: run apply."}')

    def get_entity(self, name: str, allow_registry_cache: bool = False) -> Any:
        return self._get("entity", FeastObjectNotFoundException, name, self.list_entities())

    def get_data_source(self, name: str) -> Any:
        return self._get("data source", FeastObjectNotFoundException, name, self.list_data_sources())

    def get_feature_view(self, name: str, allow_registry_cache: bool = False) -> Any:
        return self._get("feature view", FeatureViewNotFoundException, name, self.list_feature_views())

    def get_on_demand_feature_view(self, name: str, allow_registry_cache: bool = False) -> Any:
        return self._get("on-demand feature view", FeatureViewNotFoundException, name, self.list_on_demand_feature_views())

    def get_stream_feature_view(self, name: str, allow_registry_cache: bool = False) -> Any:
        return self._get("stream feature view", FeatureViewNotFoundException, name, self.list_stream_feature_views())

    def get_label_view(self, name: str, allow_registry_cache: bool = False) -> Any:
        return self._get("label view", FeatureViewNotFoundException, name, self.list_label_views())

    def get_feature_service(self, name: str, allow_cache: bool = False) -> Any:
        return self._get("feature service", FeatureServiceNotFoundException, name, self.list_feature_services())

    def get_project(self, name: Optional[str] = None) -> Any:
        return self._get("project", FeastObjectNotFoundException, name or self.project, self.list_projects())


def _with_tags(objects: List[Any], tags: Optional[Dict[str, str]]) -> List[Any]:
    """Those that have all of `tags`."""
    return [entry for entry in objects if all(entry.tags.get(key) == value for key, value in (tags or {}).items())]
