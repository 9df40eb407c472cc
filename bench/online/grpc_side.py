"""gRPC beside gRPC: Salver's door and an echo made with gRPC's own library, both under nghttp2's load generator."""

import re
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from common import last_json, run
from measure import BUILD, ask, cpu_seconds
from programs import free_port, process

METHOD = "feast.serving.ServingService/GetOnlineFeatures"
HEADERS = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
PREFIX = 5  # of a message: compressed or not, and its length
DATA_SHARE_MIN = 0.9  # of the answer's size; what is cut off by the end of the measurement is left out


def missing() -> str | None:
    """Why gRPC can not be measured here, or None."""
    if not shutil.which("h2load") or not shutil.which("nghttp"):
        return "gRPC was not measured: there is no h2load here (Debian's nghttp2-client has it)."
    if not (BUILD / "salver_grpc_echo").exists():
        return "gRPC was not measured: salver_grpc_echo was not built; it needs libgrpc++-dev."
    return None


# In Feast's Python, whose protos are the judge: makes the request of a JSON body; and compares an answer with the JSON one.
MAKE = """
import json, struct, sys
from feast.protos.feast.serving.ServingService_pb2 import GetOnlineFeaturesRequest
body, request = json.loads(sys.argv[1]), GetOnlineFeaturesRequest()
request.features.val.extend(body.get("features", []))
if "feature_service" in body:
    request.feature_service = body["feature_service"]
request.full_feature_names = body.get("full_feature_names", False)
for name, keys in body["entities"].items():
    for key in keys:
        value = request.entities[name].val.add()
        if isinstance(key, str):
            value.string_val = key
        else:
            value.int64_val = key
message = request.SerializeToString()
open(sys.argv[2], "wb").write(struct.pack(">BI", 0, len(message)) + message)
"""
COMPARE = """
import json, sys
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesResponse
found = GetOnlineFeaturesResponse.FromString(open(sys.argv[1], "rb").read())
columns = [[[getattr(v, v.WhichOneof("val")) if v.WhichOneof("val") else None for v in column.values],
            [FieldStatus.Name(s) for s in column.statuses]] for column in found.results]
print(json.dumps(dict(zip(found.metadata.feature_names.val, columns))))
"""


def request_and_answer(case, python: str, port: int, body: str) -> tuple[Path, Path]:
    """Files of the call's body and of its answer's message, after the answer was held against the JSON one."""
    asked, answered = case.path("grpc_request"), case.path("grpc_answer")
    run([python, "-c", MAKE, body, asked])
    url = f"http://127.0.0.1:{port}/{METHOD}"
    raw = subprocess.run(["nghttp", *HEADERS, "-d", asked, url], capture_output=True, check=True).stdout
    answered.write_bytes(raw[PREFIX:])
    columns = last_json(run([python, "-c", COMPARE, answered]))
    expected = ask(port, body)
    for name, column in zip(expected["metadata"]["feature_names"], expected["results"], strict=True):
        if columns.get(name) != [column["values"], column["statuses"]]:
            sys.exit(f"error: {case.name}, \"{name}\": gRPC answers {columns.get(name)} and HTTP {column}; nothing was measured")
    return asked, answered


@contextmanager
def echo(answer: Path, log: Path):
    """(process, port) of the echo."""
    port = free_port()

    def listens(port: int) -> None:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()

    with process("grpc_echo", [BUILD / "salver_grpc_echo", port, answer], log, port, listens) as started:
        yield started.pid, port


def load(what: str, pid: int, port: int, asked: Path, connections: int, seconds: float, warm_seconds: float,
         answer_bytes: int) -> dict:
    """Closed loop: every connection has one call under way. The same call all the time."""
    before = cpu_seconds(pid)
    main, warm = (f"{round(time * 1000)}ms" for time in (seconds, warm_seconds))
    said = run(["h2load", "-t", 1, "-c", connections, "-m", 1, "-D", main, f"--warm-up-time={warm}", "-d", asked,
                *HEADERS, f"http://127.0.0.1:{port}/{METHOD}"])
    return read_load(what, said, answer_bytes) | {"cpu_s": cpu_seconds(pid) - before}


def read_load(what: str, said: str, answer_bytes: int) -> dict:
    """h2load's text as numbers; ends the run when a call failed or was answered with less than the answer's bytes."""
    finished = re.search(r"finished in ([\d.]+)(ms|s), ([\d.]+) req/s", said)
    counts = re.search(r"requests: .* (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", said)
    data = re.search(r"\((\d+)\) data", said)
    if not (finished and counts and data):
        sys.exit(f"error: {what}: what h2load says can not be read:\n{said}")
    done, _, failed, errored, late = map(int, counts.groups())
    if failed or errored or late or done == 0:
        sys.exit(f"error: {what}: {failed} calls of {done} failed, {errored} ended early, {late} came late")
    if int(data[1]) < done * answer_bytes * DATA_SHARE_MIN:
        sys.exit(f"error: {what}: {done} answers have {int(data[1])} bytes, not {answer_bytes} each")
    return {"requests": done, "rate": float(finished[3])}


def measure(bench, case, body: str, pid: int, port: int) -> None:
    """A round for each side in turn, kept as part "grpc"."""
    arguments = bench.arguments
    asked, answer = request_and_answer(case, bench.python, port, body)
    size = answer.stat().st_size
    with echo(answer, case.grid.folder / "grpc_echo.log") as (echo_pid, echo_port):
        for number in range(arguments.rounds):
            for side, at in (("salver_grpc", (pid, port)), ("grpc_echo", (echo_pid, echo_port))):
                measured = load(side, *at, asked, arguments.connections, arguments.seconds, bench.warm_seconds, size)
                bench.keep("grpc", case, side, number, measured)
