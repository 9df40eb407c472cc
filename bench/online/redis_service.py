"""A Redis of the benchmark's own, and the commands that a feature server sends it."""

import re
import socket
from contextlib import contextmanager
from pathlib import Path

from measure import ask
from programs import process

SERVER = Path("/usr/bin/redis-check-rdb")  # Debian's redis-tools: one program, which is the server under its other name
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "\\": "\\", '"': '"'}


def is_up(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"PING\r\n")
        if not connection.recv(64).startswith(b"+PONG"):
            raise OSError("still loading")


@contextmanager
def redis(folder: Path, port: int):
    """Redis in memory, with what `save` left in `folder`; writes nothing of its own accord."""
    command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
    with process("Redis", command, folder / "redis.log", port, is_up, executable=SERVER) as running:
        yield running


def save(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=600) as connection:
        connection.sendall(b"SAVE\r\n")
        if not connection.recv(64).startswith(b"+OK"):
            raise OSError("Redis did not save")


def parts(line: str) -> list[bytes]:
    """The arguments of a command as MONITOR prints them: quoted, with escapes."""
    def unescape(found: re.Match) -> str:
        code = found.group(1)
        return chr(int(code[1:], 16)) if code[0] == "x" else ESCAPES[code]
    quoted = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
    return [re.sub(r"\\(x[0-9a-f]{2}|.)", unescape, text).encode("latin-1") for text in quoted]


def wire(arguments: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%s\r\n" % (len(one), one) for one in arguments)


@contextmanager
def without(port: int, command: str):
    """Meanwhile nobody may send the command."""
    def allow(sign: bytes) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(wire([b"ACL", b"SETUSER", b"default", sign + command.encode()]))
            if not connection.recv(64).startswith(b"+OK"):
                raise OSError("Redis did not change its user")
    allow(b"-")
    yield
    allow(b"+")


def capture(redis_port: int, server_port: int, bodies: list[str], commands_of: list[bytes], output: Path) -> None:
    """Writes the commands, of these, that the server sent for each request, a request a line, as redis_hmget.cc reads
    them."""
    with socket.create_connection(("127.0.0.1", redis_port), timeout=60) as monitor, \
            socket.create_connection(("127.0.0.1", redis_port), timeout=60) as marker:
        monitor.sendall(b"MONITOR\r\n")
        lines = monitor.makefile("r", encoding="latin-1", newline="\n")
        lines.readline()  # +OK
        requests = []
        for number, body in enumerate(bodies):
            ask(server_port, body)
            marker.sendall(wire([b"ECHO", b"end-of-request-%d" % number]))
            marker.recv(256)
            commands = []
            while f'"end-of-request-{number}"' not in (line := lines.readline()):
                commands.append(parts(line))
            reads = [command for command in commands if command[0].upper() in commands_of]
            requests.append(" ".join(wire(command).hex() for command in reads))
    output.write_text("\n".join(requests) + "\n")
