"""`serve --key --cert`: HTTP and gRPC through TLS, as Python's ssl and Feast's client see it."""

import contextlib
import http.client
import json
import shutil
import socket
import ssl
import struct
import subprocess
import time

import pytest
from golden_http_test import GOLDEN_ROWS, golden_repository
from grpc_test import ask
from real_feast import can_import
from salver_command import needs_command, request, run, start

pytestmark = [needs_command, pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")]

NAMES = [f"driver_hourly_stats:{name}" for name in ("conv_rate", "acc_rate", "avg_daily_trips")]


def certificate(folder, name="server", days=1, password=None):
    """(certificate, key): PEM files of a certificate for localhost that vouches for itself."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    words = ["-passout", f"pass:{password}"] if password else ["-nodes"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", str(days), "-subj", "/CN=localhost", "-keyout", key,
                    "-out", cert, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", *words], check=True, capture_output=True)
    return cert, key


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    made = golden_repository(tmp_path_factory.mktemp("tls") / "repo", "{type: sqlite, path: data/online_store.db}")
    shutil.copy(GOLDEN_ROWS, made / "data/online_store.db")
    certificate(made)
    return made


@contextlib.contextmanager
def serving_tls(repository, *arguments):
    """The port of a running server; ended with SIGTERM, and it must end cleanly."""
    process = start(repository, "serve", "--port", "0", "--cert", repository / "server.crt", "--key", repository / "server.key", *arguments)
    line = process.stdout.readline()
    assert "https://127.0.0.1:" in line, line + process.stderr.read()
    try:
        yield int(line.split("https://127.0.0.1:")[1].split()[0])
    finally:
        process.terminate()
        process.wait(timeout=30)
    assert process.returncode == 0, process.stderr.read()


def trusting(repository):
    return ssl.create_default_context(cafile=repository / "server.crt")


def connected(context, port):
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30), server_hostname="localhost")


def ask_for(connection, drivers):
    connection.request("POST", "/get-online-features", json.dumps({"features": NAMES, "entities": {"driver_id": drivers}}))
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_answers_are_whole_whatever_their_size(repository):
    with serving_tls(repository) as port:
        connection = http.client.HTTPSConnection("localhost", port, context=trusting(repository), timeout=60)
        for drivers in ([1001], list(range(1000, 21000)), [1001, 1002]):
            status, body = ask_for(connection, drivers)
            assert status == 200 and body["results"][0]["values"] == drivers
        # Every record a byte, and two requests in one record.
        with connected(trusting(repository), port) as stream:
            whole = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
            for byte in whole:
                stream.send(bytes([byte]))
            assert stream.recv(1000).startswith(b"HTTP/1.1 200")
            stream.send(whole + whole.replace(b"/health", b"/nowhere"))
            answers = b""
            while answers.count(b"HTTP/1.1") < 2 or not answers.endswith(b"}"):
                answers += stream.recv(1000)
            assert b"HTTP/1.1 404" in answers


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_versions_and_protocols_that_are_agreed_on(repository):
    with serving_tls(repository) as port:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = trusting(repository)
            context.minimum_version = context.maximum_version = version
            with connected(context, port) as stream:
                stream.send(b"GET /health HTTP/1.1\r\n\r\n")
                assert stream.recv(1000).startswith(b"HTTP/1.1 200")
        for offered, chosen in ((["http/1.1"], "http/1.1"), (["http/1.1", "h2"], "h2"), (None, None)):
            context = trusting(repository)
            if offered:
                context.set_alpn_protocols(offered)
            with connected(context, port) as stream:
                assert stream.selected_alpn_protocol() == chosen
        old = trusting(repository)
        old.set_ciphers("DEFAULT@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError, match="(?i)version|protocol"):
            connected(old, port)
        other = trusting(repository)
        other.set_alpn_protocols(["smtp"])
        with pytest.raises(ssl.SSLError, match="(?i)alert"):
            connected(other, port)


def test_plain_http_is_told_what_the_port_speaks(repository):
    with serving_tls(repository) as port:
        status, body = request(f"http://127.0.0.1:{port}", "GET", "/health")
        assert status == 400 and "https://" in body["detail"]
        with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
            plain.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert b"TLS" in plain.recv(1000)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as garbage:
            garbage.send(b"\x16\x03\x01garbage that is no greeting" * 10)
            with contextlib.suppress(ConnectionError):
                while garbage.recv(1000):
                    pass


def test_slow_greetings_cost_others_nothing_and_are_timed_out(repository):
    with serving_tls(repository, "--keep-alive-timeout", "1", "--workers", "1") as port:
        silent = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(100)]
        for begun in silent[::2]:
            begun.send(b"\x16\x03\x01\x02\x00\x01\x00")  # a greeting's first bytes, and no more
        begin = time.monotonic()
        connection = http.client.HTTPSConnection("localhost", port, context=trusting(repository), timeout=30)
        for _ in range(20):
            assert ask_for(connection, [1001])[0] == 200
        for one in silent:
            with contextlib.suppress(ConnectionError):
                while one.recv(1000):
                    pass
            one.close()
        assert time.monotonic() - begin < 30


def test_clients_that_are_gone_while_they_are_answered_end_nothing_else(repository):
    with serving_tls(repository) as port:
        for number in range(60):
            offered = trusting(repository)
            offered.set_alpn_protocols(["h2", "http/1.1"])
            stream = connected(offered, port)
            if number % 2:
                stream.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an end
            stream.close()
        connection = http.client.HTTPSConnection("localhost", port, context=trusting(repository), timeout=60)
        assert ask_for(connection, [1001])[0] == 200


def test_certificates_that_can_not_be_used_are_named(repository, tmp_path):
    cert, key = repository / "server.crt", repository / "server.key"
    other_cert, other_key = certificate(tmp_path, "other")
    locked_cert, locked_key = certificate(tmp_path, "locked", password="secret")
    for bad_cert, bad_key, words in ((cert, other_key, [str(other_key), "not the key"]), (locked_cert, locked_key, [str(locked_key), "password"]),
                                     (key, key, ["--cert", "no certificate"]), (tmp_path, key, ["--cert", str(tmp_path)])):
        code, _, err = run(repository, "serve", "--port", "0", "--cert", bad_cert, "--key", bad_key)
        assert code == 1 and all(word in err for word in words), err


@pytest.mark.skipif(not can_import("feast", "grpc"), reason="no Python with Feast and grpc")
def test_feasts_grpc_client_through_tls(repository):
    with serving_tls(repository) as port:
        found = ask(repository, f"localhost:{port}", f"""
trusted = grpc.ssl_channel_credentials(open({str(repository / "server.crt")!r}, "rb").read())
secure = ServingServiceStub(grpc.secure_channel(sys.argv[1], trusted))
one = online({NAMES}, driver_id=[1001])
calls = [secure.GetOnlineFeatures.future(one) for _ in range(500)]
large = secure.GetOnlineFeatures(online({NAMES}, driver_id=list(range(20000))))
untrusted = outcome(lambda: ServingServiceStub(grpc.secure_channel(sys.argv[1], grpc.ssl_channel_credentials())).GetOnlineFeatures(one, timeout=20))
plain = outcome(lambda: serving.GetOnlineFeatures(one, timeout=20))
print(json.dumps([len({{call.result(timeout=60).SerializeToString() for call in calls}}), len(large.results[0].values), untrusted["code"], plain["code"]]))
""")
        assert found == [1, 20000, "UNAVAILABLE", "UNAVAILABLE"]
