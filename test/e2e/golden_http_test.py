"""The request and response pairs of `feast serve`, replayed in order and compared by meaning.

Pairs that differ on purpose are in test/golden/http_differences.json, each with the reason; they are sent all the
same, because later pairs build on what they changed.
"""

import json
import re
import shutil

from salver_command import GOLDEN, needs_command, request, serving, write_repository

pytestmark = needs_command
DIFFERENCES = json.loads((GOLDEN / "http_differences.json").read_text())


def meaning(body):
    """name -> (values, statuses, times): the order of features inside a view is not part of Feast's answer.

    A golden row is as old as the golden files, so its ttl has passed: OUTSIDE_MAX_AGE, which Feast does not say on
    read, counts as PRESENT here (the repository serves expired values).
    """
    names = body["metadata"]["feature_names"]
    columns = {}
    for name, column in zip(names, body["results"]):
        statuses = ["PRESENT" if status == "OUTSIDE_MAX_AGE" else status for status in column["statuses"]]
        columns[name] = (column["values"], statuses, column["event_timestamps"])
    views = [view["name"] for view in body["metadata"].get("feature_view_metadata", [])]
    return columns, views


def error_class(body):
    """Feast's own errors are a JSON string that holds JSON; of others only that they are a JSON string is compared."""
    if isinstance(body, str) and body.startswith("{"):
        return json.loads(body)["class"]
    if isinstance(body, dict) and isinstance(body.get("detail"), list):
        return [(entry["type"], entry["loc"][:3]) for entry in body["detail"]]
    return body if isinstance(body, dict) else type(body).__name__


def golden_repository(folder, online_store):
    """The repository that the pairs were recorded on, but for its online store's rows."""
    repository = write_repository(folder, {}, project="quickstart", extra="serving: {expired_values: serve}\n", online_store=online_store)
    golden = GOLDEN / "quickstart"
    shutil.copy(golden / "registry_after_materialize.db", repository / "data/registry.db")
    for name in ("data/driver_stats.parquet", "driver_quality_labels.parquet"):
        shutil.copy(golden / name, repository / "data")
    return repository


def metric_families(text):
    """name -> (type, the sets of label names of its samples)"""
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    families = {name: (kind, set()) for name, kind in kinds.items()}
    for name, labels in re.findall(r"^(\w+)(?:{(.*)})? \S+$", text, re.MULTILINE):
        family = name if name in kinds else re.sub("_(sum|count|bucket)$", "", name)
        families[family][1].add(frozenset(re.findall(r'(\w+)="', labels)) - {"le"})
    return families


def check_metrics(url):
    """After the same requests every metric that Feast has is there, of the same type and with the same labels."""
    golden = json.loads((GOLDEN / "http/64_metrics.json").read_text())["response"]["raw_body"]
    ours = metric_families(request(url, "GET", "/metrics", None)[1])
    for name, (kind, labels) in metric_families(golden[:golden.rindex("\n")]).items():
        assert ours[name][0] == kind, name
        assert labels <= ours[name][1], name


GOLDEN_ROWS = GOLDEN / "quickstart" / "online_store_after_materialize.db"


def replay_pairs(repository):
    compared = 0
    with serving(repository) as url:
        for path in sorted((GOLDEN / "http").glob("*.json")):
            number = path.name[:2]
            pair = json.loads(path.read_text())
            sent = pair["request"]
            status, body = request(url, sent["method"], sent["path"], sent.get("raw_body", sent.get("json")))
            if number in DIFFERENCES:
                assert status < 600
                continue
            expected = pair["response"]
            assert status == expected["status"], (path.name, status, body, expected["raw_body"])
            compared += 1
            if "json" not in expected:
                assert body == expected.get("raw_body", ""), path.name
            elif status == 200 and isinstance(expected["json"], dict) and "results" in expected["json"]:
                assert meaning(body) == meaning(expected["json"]), path.name
            elif status == 422 and isinstance(expected["json"], dict) and expected["json"]["detail"][0]["type"] == "json_invalid":
                assert error_class(body)[0][0] == "json_invalid", path.name  # the position of the fault differs
            else:
                assert error_class(body) == error_class(expected["json"]), (path.name, body)
        check_metrics(url)
    assert compared == 90 - len(DIFFERENCES)


def test_pairs_in_order(tmp_path):
    repository = golden_repository(tmp_path / "repo", "{type: sqlite, path: data/online_store.db}")
    shutil.copy(GOLDEN_ROWS, repository / "data/online_store.db")
    replay_pairs(repository)
