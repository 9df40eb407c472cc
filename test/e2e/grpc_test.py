"""The gRPC door, as Feast's own protos and client see it: beside the answers of Feast's gRPC server on the same
repository, and beside those of the HTTP door."""

import json
import os
import shutil
import signal
import subprocess

import pytest
from golden_http_test import GOLDEN_ROWS, golden_repository
from real_feast import ENVIRONMENT, FEAST, can_import
from salver_command import PUSHED_STATS, check, needs_command, request, serving, start, write_repository

pytestmark = [needs_command, pytest.mark.skipif(not can_import("feast", "grpc"), reason="no Python with Feast and grpc")]

PROGRAM = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import logging
logging.disable(logging.CRITICAL)
import grpc
from google.protobuf.json_format import MessageToDict
from feast.protos.feast.serving.ServingService_pb2 import FeatureList, GetFeastServingInfoRequest, GetOnlineFeaturesRequest
from feast.protos.feast.serving.ServingService_pb2_grpc import ServingServiceStub
from feast.protos.feast.serving.GrpcServer_pb2 import PushRequest, WriteToOnlineStoreRequest
from feast.protos.feast.serving.GrpcServer_pb2_grpc import GrpcFeatureServerStub
from feast.protos.feast.types.Value_pb2 import RepeatedValue, Value

def online(features=None, service=None, **entities):
    made = GetOnlineFeaturesRequest(full_feature_names=entities.pop("full", False),
                                    include_feature_view_version_metadata=entities.pop("versions", False))
    if service:
        made.feature_service = service
    elif features is not None:
        made.features.CopyFrom(FeatureList(val=features))
    for name, values in entities.items():
        made.entities[name].CopyFrom(RepeatedValue(val=[v if isinstance(v, Value) else Value(int64_val=v) for v in values]))
    return made

def outcome(call):
    "The answer as a dictionary, or the code and text of the error."
    try:
        return MessageToDict(call(), preserving_proto_field_name=True)
    except grpc.RpcError as error:
        return {"code": error.code().name, "text": error.details()}

channel = grpc.insecure_channel(sys.argv[1])
serving, writing = ServingServiceStub(channel), GrpcFeatureServerStub(channel)
"""


def ask(repository, url, code):
    """What `code` prints as JSON, run by Feast's Python with stubs for the server at `url`."""
    done = subprocess.run([FEAST, "-c", PROGRAM + code, url.removeprefix("http://")], cwd=repository, capture_output=True,
                          text=True, timeout=120, env=os.environ | ENVIRONMENT)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture()
def repository(tmp_path):
    made = golden_repository(tmp_path / "repo", "{type: sqlite, path: data/online_store.db}")
    shutil.copy(GOLDEN_ROWS, made / "data/online_store.db")
    return made


def meaning(answer):
    """By the names of features, whose order inside a view is no part of Feast's answer; the time of a row that is not there
    is not either. Rows are as old as the golden files: their ttl has passed, which Feast does not say."""
    if "code" in answer:
        return answer["code"]
    columns = {"status": answer.get("status")}
    for name, column in zip(answer["metadata"]["feature_names"]["val"], answer["results"]):
        statuses = [status.replace("OUTSIDE_MAX_AGE", "PRESENT") for status in column["statuses"]]
        columns[name] = (column["values"], statuses, column["event_timestamps"])
    return columns


def test_answers_are_those_of_feasts_own_grpc_server(repository):
    """Both servers have the same repository; each request goes to both."""
    with serving(repository) as url:
        pairs = ask(repository, url, """
from concurrent import futures
from feast import FeatureStore
from feast.infra.contrib.grpc_server import GrpcFeatureServer
from feast.protos.feast.serving.GrpcServer_pb2_grpc import add_GrpcFeatureServerServicer_to_server
judge = grpc.server(futures.ThreadPoolExecutor(2))
servicer = GrpcFeatureServer(FeatureStore("."), registry_ttl_sec=3600)
add_GrpcFeatureServerServicer_to_server(servicer, judge)
port = judge.add_insecure_port("127.0.0.1:0")
judge.start()
feast = GrpcFeatureServerStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
all_three = [f"driver_hourly_stats:{name}" for name in ("conv_rate", "acc_rate", "avg_daily_trips")]
requests = [
    online(all_three, driver_id=[1001]),
    online(all_three, driver_id=[1001, 1002, 1003, 1001]),
    online(all_three, driver_id=[1001, 999999]),
    online(all_three, full=True, driver_id=[1004, 1005]),
    online(["no_such_view:x"], driver_id=[1001]),
    online(["driver_hourly_stats:conv_rate", "driver_hourly_stats:conv_rate"], driver_id=[1001]),
    online(service="no_such_service", driver_id=[1001]),
]
answers = []
for one in requests:
    answers.append([outcome(lambda: writing.GetOnlineFeatures(one)), outcome(lambda: feast.GetOnlineFeatures(one)),
                    outcome(lambda: serving.GetOnlineFeatures(one))])
servicer._shuting_down = True
servicer._active_timer.cancel()
judge.stop(0)
print(json.dumps(answers))
""")
    for number, (ours, feasts, other_service) in enumerate(pairs):
        assert meaning(ours) == meaning(feasts), (number, ours, feasts)
        assert other_service == ours, number


def test_it_means_what_the_http_door_means(repository):
    """Values, statuses, times and the texts of errors."""
    names = [f"driver_hourly_stats:{name}" for name in ("conv_rate", "acc_rate", "avg_daily_trips")]
    with serving(repository) as url:
        grpc_answers = ask(repository, url, f"""
names = {names}
print(json.dumps([outcome(lambda: serving.GetOnlineFeatures(one)) for one in (
    online(names, driver_id=[Value(string_val="1001"), Value(double_val=1002.5), Value(int32_val=999999)], versions=True),
    online(names, driver_id=[Value(string_val="abc")]),
    online(names, driver_id=[Value()]),
    online(names, driver_id=[1], other=[1, 2]),
    online(["driver_hourly_stats:no_such"], driver_id=[1]),
    online(["no_such_view:x"], driver_id=[1]),
    online(service="no_such_service", driver_id=[1]),
    online(names, no_such_key=[1]),
    online([], driver_id=[1]),
    online(names, driver_id=[Value(bytes_list_val={{"val": [b"x"]}})]),
)]))
""")
        found = grpc_answers[0]
        status, same = request(url, "POST", "/get-online-features", {
            "features": names, "entities": {"driver_id": ["1001", 1002.5, 999999]}, "include_feature_view_version_metadata": True})
        assert status == 200
        assert found["metadata"]["feature_names"]["val"] == same["metadata"]["feature_names"]
        assert found["metadata"]["feature_view_metadata"] == same["metadata"]["feature_view_metadata"]
        for column, other in zip(found["results"], same["results"], strict=True):
            for value, same_value in zip(column["values"], other["values"], strict=True):
                assert (value == {}) == (same_value is None)
                assert value == {} or float(*value.values()) == pytest.approx(same_value, rel=1e-6)  # a float's digits
            assert column["statuses"] == other["statuses"]
            assert [time.removesuffix("Z") for time in column["event_timestamps"]] == [
                time.removesuffix("Z") for time in other["event_timestamps"]]
        codes = []
        bodies = [{"features": names, "entities": {"driver_id": ["abc"]}}, {"features": names, "entities": {"driver_id": [None]}},
                  {"features": names, "entities": {"driver_id": [1], "other": [1, 2]}},
                  {"features": ["driver_hourly_stats:no_such"], "entities": {"driver_id": [1]}},
                  {"features": ["no_such_view:x"], "entities": {"driver_id": [1]}},
                  {"feature_service": "no_such_service", "entities": {"driver_id": [1]}},
                  {"features": names, "entities": {"no_such_key": [1]}}, {"features": [], "entities": {"driver_id": [1]}}]
        for answer, body in zip(grpc_answers[1:], bodies):
            text = request(url, "POST", "/get-online-features", body)[1]
            text = json.loads(text)["message"] if text.startswith("{") else text
            if "other" not in body["entities"]:  # of two columns the message names first the one that came first: maps have no order
                assert answer["text"] == text
            codes.append(answer["code"])
        codes.append(grpc_answers[-1]["code"])
        assert codes == ["INVALID_ARGUMENT", "INVALID_ARGUMENT", "INVALID_ARGUMENT", "NOT_FOUND", "UNKNOWN", "INTERNAL",
                         "INVALID_ARGUMENT", "INVALID_ARGUMENT", "INVALID_ARGUMENT"]


PUSHED = PUSHED_STATS + """\
    schema: [{name: trips, dtype: Int64}, {name: rate, dtype: Float64}, {name: city, dtype: String}, {name: raw, dtype: Bytes},
             {name: tags, dtype: Array(String)}, {name: seen, dtype: UnixTimestamp}]
"""


def test_what_is_pushed_can_be_read(tmp_path):
    repository = write_repository(tmp_path / "repo", {"definitions.yaml": PUSHED})
    check(repository, "apply", "--skip-source-validation")
    with serving(repository) as url:
        answers = ask(repository, url, """
typed = {"driver_id": Value(int64_val=1), "trips": Value(int32_val=7), "rate": Value(double_val=0.1), "city": Value(string_val='a "b"'),
         "raw": Value(bytes_val=b"\\x00\\xff"), "tags": Value(string_list_val={"val": ["x", "y"]}),
         "seen": Value(unix_timestamp_val=1767225600), "event_timestamp": Value(unix_timestamp_val=1767225600)}
texts = {"driver_id": "2", "trips": "8", "rate": "0.5", "city": "Rome", "seen": "2026-01-01T00:00:00Z", "event_timestamp": "2026-01-02T00:00:00Z"}
whole = texts | {"raw": "", "tags": ""}
names = ["stats:" + name for name in ("trips", "rate", "city", "raw", "tags", "seen")]
print(json.dumps([
    outcome(lambda: writing.Push(PushRequest(stream_feature_view="pushed", to="online", typed_features=typed))),
    outcome(lambda: writing.WriteToOnlineStore(WriteToOnlineStoreRequest(feature_view_name="stats", typed_features=typed | {
        "driver_id": Value(int64_val=2), "trips": Value(), "tags": Value()}))),
    outcome(lambda: serving.GetOnlineFeatures(online(names, driver_id=[1, 2]))),
    outcome(lambda: writing.Push(PushRequest(stream_feature_view="none", to="online", features={"driver_id": "1"}))),
    outcome(lambda: writing.Push(PushRequest(stream_feature_view="pushed", to="up", features=texts))),
    outcome(lambda: writing.Push(PushRequest(stream_feature_view="pushed", to="online", features=texts, typed_features=typed))),
    outcome(lambda: writing.WriteToOnlineStore(WriteToOnlineStoreRequest(feature_view_name="none", features=texts))),
    outcome(lambda: writing.Push(PushRequest(stream_feature_view="pushed", to="online", features=texts | {"trips": "many"}))),
    outcome(lambda: serving.GetFeastServingInfo(GetFeastServingInfoRequest())),
]))
""")
        pushed, written, read, *refused, info = answers
        assert pushed == written == {"status": True}
        columns = dict(zip(read["metadata"]["feature_names"]["val"], read["results"]))
        assert columns["trips"]["values"] == [{"int64_val": "7"}, {}]
        assert columns["rate"]["values"] == [{"double_val": 0.1}] * 2
        assert columns["city"]["values"] == [{"string_val": 'a "b"'}] * 2
        assert columns["raw"]["values"] == [{"bytes_val": "AP8="}] * 2
        assert columns["tags"]["values"] == [{"string_list_val": {"val": ["x", "y"]}}, {}]
        assert columns["seen"]["values"] == [{"unix_timestamp_val": "1767225600"}] * 2
        assert columns["city"]["event_timestamps"] == ["2026-01-01T00:00:00Z"] * 2
        assert [answer["code"] for answer in refused] == ["INVALID_ARGUMENT", "INVALID_ARGUMENT", "INVALID_ARGUMENT", "INTERNAL",
                                                          "INVALID_ARGUMENT"]
        assert "many" in refused[-1]["text"] and "trips" in refused[-1]["text"]
        assert info == {"version": check(repository, "version").split()[-1]}


def test_what_grpc_itself_asks_of_a_server(repository):
    """Health, many calls at once, deadlines, sizes, compression, an unknown method, and the error that a stop gives: none."""
    with serving(repository) as url:
        found = ask(repository, url, """
raw = lambda method: channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
def code(call):
    try:
        return call().hex()
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
one = online(["driver_hourly_stats:conv_rate"], driver_id=[1001])
calls = [serving.GetOnlineFeatures.future(one) for _ in range(2000)]
answers = {call.result(timeout=60).SerializeToString() for call in calls}
big = online(["driver_hourly_stats:conv_rate"], driver_id=[Value(string_val="x" * (17 << 20))])
print(json.dumps({
    "health": code(lambda: raw("/grpc.health.v1.Health/Check")(b"")),
    "answers": len(answers),
    "unknown": code(lambda: raw("/feast.serving.ServingService/NoSuch")(b"")),
    "garbage": code(lambda: raw("/feast.serving.ServingService/GetOnlineFeatures")(b"\\x0a\\xff\\xff")),
    "big": code(lambda: serving.GetOnlineFeatures(big)),
    "gzip": code(lambda: serving.GetOnlineFeatures(online(["driver_hourly_stats:conv_rate"], driver_id=list(range(500))), compression=grpc.Compression.Gzip)),
    "after": len(serving.GetOnlineFeatures(one).results),
}))
""")
    assert found["health"] == "0801" and found["answers"] == 1 and found["after"] == 2
    assert found["unknown"][0] == "UNIMPLEMENTED" and "NoSuch" in found["unknown"][1]
    assert found["garbage"][0] == "INVALID_ARGUMENT" and "GetOnlineFeaturesRequest" in found["garbage"][1]
    assert found["big"][0] == "RESOURCE_EXHAUSTED" and "16777216 bytes" in found["big"][1]
    assert found["gzip"][0] == "UNIMPLEMENTED" and "identity" in found["gzip"][1]


def test_a_server_that_stops_drops_no_call(repository):
    process = start(repository, "serve", "--port", "0")
    url = process.stdout.readline().split()[4]
    client = subprocess.Popen([FEAST, "-c", PROGRAM + """
one = online(["driver_hourly_stats:conv_rate"], driver_id=[1001])
serving.GetOnlineFeatures(one)
done = failed = 0
ready = False
texts = set()
end = time.monotonic() + 60
while not failed and time.monotonic() < end:
    calls = [serving.GetOnlineFeatures.future(one) for _ in range(32)]
    for call in calls:
        try:
            call.result(timeout=60)
            done += 1
        except grpc.RpcError as error:
            failed += 1
            texts.add(error.code().name + ": " + error.details())
    if not ready:
        print("ready", flush=True)
        ready = True
print(json.dumps({"done": done, "failed": failed, "texts": sorted(texts)}))
""", url.removeprefix("http://")], stdout=subprocess.PIPE, text=True, env=os.environ | ENVIRONMENT)
    assert client.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    out, _ = client.communicate(timeout=120)
    assert process.wait(timeout=30) == 0, process.stderr.read()
    found = json.loads(out)
    # Calls that begin when nobody listens any more fail, and say just that.
    assert all(text.startswith("UNAVAILABLE") and "onnect" in text for text in found["texts"]), found


def test_listen_is_the_same_server_at_feasts_address(repository):
    process = start(repository, "listen", "--address", "localhost:0", "--max_workers", "4", "--registry_ttl_sec", "5")
    url = process.stdout.readline().split()[4]
    try:
        assert ask(repository, url, "print(json.dumps(outcome(lambda: serving.GetFeastServingInfo(GetFeastServingInfoRequest()))))")["version"]
        assert request(url, "GET", "/health") == (200, "")
    finally:
        process.terminate()
    assert process.wait(timeout=30) == 0
