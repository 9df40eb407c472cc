"""Training sets that are kept, through the compiled package: of a Parquet file, a Delta table, a SQL text."""

from datetime import timedelta

import pandas as pd
import pytest

pa = pytest.importorskip("pyarrow")
pytest.importorskip("salver._core", reason="the compiled package is not installed: pip install .")

import pyarrow.parquet as pq
from salver import FeatureService, FeatureStore, SavedDatasetFileStorage
from salver.data_format import ParquetFormat
from salver.errors import FeastObjectNotFoundException, SalverError
from source_rows_test import DAY, HOUR, repository, store

LABELS = pd.DataFrame({"driver_id": [1, 2, 9, 1], "event_timestamp": [DAY + hour * HOUR for hour in (4, 1, 8, 0)],
                       "label": [0.5, 1.5, 2.5, 3.5]})
# In the order of the labels: driver 9 has no rows.
EXPECTED = [{"driver_id": driver, "event_timestamp": at.to_pydatetime(), "label": label, "trips": trips, "city": city}
            for driver, at, label, trips, city in zip(LABELS["driver_id"], LABELS["event_timestamp"], LABELS["label"],
                                                      [13, 20, None, 10], ["Oslo", "Lima", None, "Rome"])]
FEATURES = ["stats:trips", "stats:city"]


@pytest.fixture
def job(store):
    return store.get_historical_features(LABELS, FEATURES)


@pytest.fixture
def later(store):
    """Another training set: one row."""
    return store.get_historical_features(LABELS.head(1), ["stats:trips"])


@pytest.mark.parametrize("path, file", [("kept/set.parquet", "kept/set.parquet"), ("kept/set", "kept/set/part-0.parquet")])
def test_a_persisted_job_is_a_parquet_file_with_its_rows(job, repository, path, file):
    assert job.persist(SavedDatasetFileStorage(path)) is None
    assert pq.read_table(repository / file).to_pylist() == EXPECTED == job.to_arrow().to_pylist()


@pytest.mark.parametrize("path", ["kept.parquet", "kept"])
def test_persist_replaces_what_is_there_only_when_it_may(job, later, repository, path):
    storage = SavedDatasetFileStorage(path, file_format=ParquetFormat())
    job.persist(storage)
    with pytest.raises(SalverError, match="is there already") as refused:
        later.persist(storage)
    assert refused.value.code == "AlreadyExists"
    assert pq.read_table(repository / path).num_rows == 4
    later.persist(storage, allow_overwrite=True)
    assert pq.read_table(repository / path).select(["driver_id", "trips"]).to_pylist() == [{"driver_id": 1, "trips": 13}]


def test_persist_never_touches_files_of_somebody_else(job, repository):
    (repository / "theirs").mkdir()
    (repository / "theirs/a.csv").write_text("a\n1\n")
    with pytest.raises(SalverError, match="not written here"):
        job.persist(SavedDatasetFileStorage("theirs"), allow_overwrite=True)
    assert [path.name for path in (repository / "theirs").iterdir()] == ["a.csv"]


@pytest.mark.parametrize("path", ["kept/set.parquet", "kept/set"])
def test_a_saved_dataset_is_listed_and_read_back_as_it_was(store, job, repository, path):
    assert store.list_saved_datasets() == []
    made = store.create_saved_dataset(job, "january", SavedDatasetFileStorage(path), tags={"team": "rides"})
    (listed,) = store.list_saved_datasets()
    (elsewhere,) = FeatureStore(repo_path=str(repository)).list_saved_datasets()
    for dataset in (made, listed, store.get_saved_dataset("january"), elsewhere):
        assert (dataset.name, dataset.features, dataset.join_keys, dataset.tags) == ("january", FEATURES, ["driver_id"], {"team": "rides"})
        assert dataset.storage.path == path and not dataset.full_feature_names and not dataset.feature_service_name
        assert (dataset.min_event_timestamp, dataset.max_event_timestamp) == (DAY, DAY + 8 * HOUR)
        assert dataset.created_timestamp is not None and dataset.created_timestamp == dataset.last_updated_timestamp
        assert dataset.to_arrow().to_pylist() == EXPECTED
        pd.testing.assert_frame_equal(dataset.to_df(), job.to_df())


def test_saved_datasets_are_listed_by_tags(store, job):
    for name, tags in (("one", {"team": "rides", "tier": "gold"}), ("two", {"team": "rides"}), ("three", None)):
        store.create_saved_dataset(job, name, SavedDatasetFileStorage(f"{name}.parquet"), tags=tags)
    names = lambda tags: [dataset.name for dataset in store.list_saved_datasets(tags=tags)]
    assert names(None) == ["one", "two", "three"]
    assert names({"team": "rides"}) == ["one", "two"] and names({"team": "rides", "tier": "gold"}) == ["one"]
    assert names({"team": "food"}) == []


def test_a_saved_dataset_of_a_feature_service_with_full_names_says_so(store):
    service = FeatureService(name="ranking", features=[store.get_feature_view("stats")[["city"]]])
    store.apply(service)
    job = store.get_historical_features(LABELS, service, full_feature_names=True)
    made = store.create_saved_dataset(job, "ranked", SavedDatasetFileStorage("ranked.parquet"), feature_service=service)
    assert made.feature_service_name == "ranking" and made.full_feature_names and made.features == ["stats:city"]
    assert made.to_arrow()["stats__city"].to_pylist() == ["Oslo", "Lima", None, "Rome"]


def test_a_saved_dataset_is_replaced_only_when_it_may_be(store, job, later):
    first = store.create_saved_dataset(job, "january", SavedDatasetFileStorage("january.parquet"))
    for path in ("january.parquet", "other.parquet"):  # the name is taken, wherever the rows would lie
        with pytest.raises(SalverError, match='"january" is in project "rides" already') as refused:
            store.create_saved_dataset(later, "january", SavedDatasetFileStorage(path))
        assert refused.value.code == "AlreadyExists"
    assert store.get_saved_dataset("january").to_arrow().to_pylist() == EXPECTED
    again = store.create_saved_dataset(later, "january", SavedDatasetFileStorage("january.parquet"), allow_overwrite=True)
    assert len(store.list_saved_datasets()) == 1
    assert again.features == ["stats:trips"] and again.to_arrow().num_rows == 1
    assert again.created_timestamp == first.created_timestamp < again.last_updated_timestamp
    assert again.max_event_timestamp == DAY + 4 * HOUR


def test_rows_of_another_dataset_are_replaced_only_when_they_may_be(store, job, later):
    store.create_saved_dataset(job, "january", SavedDatasetFileStorage("kept"))
    with pytest.raises(SalverError, match='"kept" is there already'):
        store.create_saved_dataset(later, "february", SavedDatasetFileStorage("kept"))
    assert [dataset.name for dataset in store.list_saved_datasets()] == ["january"]  # what failed is not registered
    assert store.get_saved_dataset("january").to_arrow().to_pylist() == EXPECTED


def test_a_deleted_saved_dataset_is_forgotten_and_its_rows_stay(store, job, repository):
    store.create_saved_dataset(job, "january", SavedDatasetFileStorage("january.parquet"))
    store.create_saved_dataset(job, "february", SavedDatasetFileStorage("february.parquet"))
    assert store.delete_saved_dataset("january") is None
    assert [dataset.name for dataset in store.list_saved_datasets()] == ["february"]
    assert pq.read_table(repository / "january.parquet").to_pylist() == EXPECTED
    for call in (store.get_saved_dataset, store.delete_saved_dataset):
        with pytest.raises(FeastObjectNotFoundException, match='saved dataset "january" is not in project "rides"'):
            call("january")
        with pytest.raises(FeastObjectNotFoundException, match='Did you mean "february"'):
            call("februar")


def test_saved_datasets_survive_apply(store, job):
    store.create_saved_dataset(job, "january", SavedDatasetFileStorage("january.parquet"))
    view = store.get_feature_view("stats")
    view.ttl = timedelta(days=3)
    store.apply(view)
    assert store.get_saved_dataset("january").to_arrow().to_pylist() == EXPECTED


def test_a_saved_dataset_whose_rows_are_gone_names_them(store, job, repository):
    dataset = store.create_saved_dataset(job, "january", SavedDatasetFileStorage("january.parquet"))
    (repository / "january.parquet").unlink()
    assert [one.name for one in store.list_saved_datasets()] == ["january"]
    with pytest.raises(SalverError, match="january.parquet"):
        dataset.to_arrow()
