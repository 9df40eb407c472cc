"""The programs that measure online reads, against servers that misbehave on purpose: a load that can not see a failure or a
stall would praise every server."""

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/release"
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench/online")]

import grpc_side  # noqa: E402
import redis_service  # noqa: E402
from measure import AllocationCounter  # noqa: E402
from programs import answers_health, free_port, process  # noqa: E402

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"


@pytest.fixture(scope="module", autouse=True)
def built_programs():
    if "SALVER_COMMAND" not in os.environ:
        pytest.skip("SALVER_COMMAND is not set")
    subprocess.run([ROOT / "scripts/build", "release", "salver_online_bench"], check=True, capture_output=True)


@contextmanager
def server(answer):
    """answer(number) gives the bytes for the request of that number on any connection; None closes the connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked = []

    def serve(connection):
        received = b""
        while data := connection.recv(65536):
            received += data
            while b"\r\n\r\n{}" in received:  # every body of these tests is {}
                received = received.partition(b"\r\n\r\n{}")[2]
                asked.append(None)
                said = answer(len(asked) - 1)
                if said is None:
                    return connection.close()
                connection.sendall(said)

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1], asked
    finally:
        listener.close()


def load(port: int, folder: Path, connections: int = 1, seconds: float = 0.3, rate: float = 0,
         sleeps: bool = True) -> dict:
    (folder / "bodies").write_text("{}\n")
    command = [BUILD / "salver_load", port, folder / "bodies", connections, seconds, rate, 10, int(sleeps)]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("sleeps", [False, True])
def test_every_answer_is_counted_once(tmp_path, sleeps):
    with server(lambda number: GOOD) as (port, asked):
        measured = load(port, tmp_path, connections=4, sleeps=sleeps)
    assert measured["requests"] == len(asked) > 0
    assert measured["failed"] == 0


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 10\r\n\r\n0123456789",
    b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n012345678",  # shorter than can be
], ids=["status", "size"])
def test_a_bad_answer_is_a_failure(tmp_path, answer):
    with server(lambda number: answer if number % 2 else GOOD) as (port, asked):
        measured = load(port, tmp_path)
    assert measured["failed"] == len(asked) // 2 > 0


def test_a_connection_that_is_closed_is_one_failure_and_the_load_goes_on(tmp_path):
    with server(lambda number: None if number == 3 else GOOD) as (port, asked):
        measured = load(port, tmp_path)
    assert measured["failed"] == 1
    assert measured["requests"] == len(asked) > 10


def test_a_stall_is_charged_to_every_request_that_was_due_meanwhile(tmp_path):
    """One request in 200 stalls. By the time each request took, that is under 1 %; by when it was due, it is a half."""
    def answer(number):
        if number == 0:
            threading.Event().wait(0.5)
        return GOOD

    with server(answer) as (port, asked):
        measured = load(port, tmp_path, seconds=1, rate=200)
    assert measured["requests"] == len(asked) == 200
    assert measured["p99_ms"] > 450
    with server(answer) as (port, asked):
        closed = load(port, tmp_path, seconds=1)
    assert closed["p50_ms"] < 100  # the closed loop does not see it


def test_the_open_loop_keeps_its_rate(tmp_path):
    with server(lambda number: GOOD) as (port, asked):
        measured = load(port, tmp_path, connections=4, seconds=1, rate=100)
    assert measured["requests"] == 100
    assert 0.9 < measured["seconds"] < 3


@contextmanager
def bare_server(folder: Path, answer: bytes):
    (folder / "answer").write_bytes(answer)
    port = free_port()
    with process("bare", [BUILD / "salver_bare_server", port, folder / "answer"], folder / "log", port, answers_health):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            yield connection


def read(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        data = connection.recv(1 << 16)
        assert data, f"closed after {len(received)} of {size} bytes"
        received += data
    return received


def test_the_bare_server_answers_once_for_each_request_however_they_are_cut(tmp_path):
    request = b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhello\r\n\r\n"  # the body could end a head
    for cut in (10, len(request) - 9, len(request) - 4, len(request)):
        with bare_server(tmp_path, GOOD) as connection:
            connection.sendall(request * 3 + request[:cut])
            received = read(connection, 3 * len(GOOD))
            connection.sendall(request[cut:] + request)
            connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(1 << 16):
                received += data
            assert received == GOOD * 5, cut


def test_the_bare_server_sends_large_answers_whole(tmp_path):
    large = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % 8_000_000 + b"x" * 8_000_000
    with bare_server(tmp_path, large) as connection:
        for _ in range(2):
            connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
            assert read(connection, len(large)) == large


def test_allocations_are_counted(tmp_path):
    counts = AllocationCounter(tmp_path / "allocations")
    seen = []
    for wanted in (0, 50_000):
        before = counts.read()
        subprocess.run([sys.executable, "-c", f"kept = [bytearray(3000) for _ in range({wanted})]"], check=True,
                       env=counts.environment)
        seen.append(counts.read() - before)
    assert seen[1] - seen[0] >= 50_000


def test_commands_are_read_from_redis_as_they_were_sent(tmp_path):
    if not redis_service.SERVER.exists():
        pytest.skip("no Redis here")
    port = free_port()
    command = [b"HMGET", bytes(range(256)), b'quoted "\\x41" \\', b"", b"\r\n"]
    with redis_service.redis(tmp_path, port):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as monitor, \
                socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            monitor.sendall(b"MONITOR\r\n")
            lines = monitor.makefile("r", encoding="latin-1", newline="\n")
            assert lines.readline() == "+OK\r\n"
            client.sendall(redis_service.wire(command))
            assert redis_service.parts(lines.readline()) == command


@pytest.mark.skipif(grpc_side.missing() is not None, reason="no gRPC echo or no h2load")
def test_the_grpc_echo_answers_every_call_with_its_bytes(tmp_path):
    message = bytes(range(256)) * 100
    (tmp_path / "answer").write_bytes(message)
    (tmp_path / "asked").write_bytes(b"\0\0\0\0\5hello")
    with grpc_side.echo(tmp_path / "answer", tmp_path / "log") as (pid, port):
        raw = subprocess.run(["nghttp", *grpc_side.HEADERS, "-d", tmp_path / "asked", f"http://127.0.0.1:{port}/any.Service/Method"],
                             capture_output=True, check=True).stdout
        assert raw == b"\0" + len(message).to_bytes(4, "big") + message
        measured = grpc_side.load("echo", pid, port, tmp_path / "asked", 4, 0.5, 0.1, len(message))
    assert measured["requests"] > 0 and measured["rate"] > 0 and measured["cpu_s"] > 0


def test_calls_that_fail_or_are_answered_short_end_the_measurement():
    said = """finished in 1.00s, 100.00 req/s, 1.00MB/s
requests: 100 total, 100 started, 100 done, {done} succeeded, {failed} failed, 0 errored, 0 timeout
traffic: 1.00MB (1000000) total, 1.00KB (1000) headers (space savings 90.00%), 1.00MB ({data}) data
"""
    good = grpc_side.read_load("echo", said.format(done=100, failed=0, data=100_000), 1000)
    assert good == {"requests": 100, "rate": 100}
    for bad in ({"done": 99, "failed": 1, "data": 100_000}, {"done": 100, "failed": 0, "data": 50_000}):
        with pytest.raises(SystemExit):
            grpc_side.read_load("echo", said.format(**bad), 1000)
