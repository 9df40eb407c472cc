#!/usr/bin/env python3
"""Redis servers for one test program, on free loopback ports, with their files in a temporary folder.

From Python:   with RedisServer() as server: ... server.port ...
From elsewhere: run this file, with --tls, --cluster or --sentinel if asked for. It prints one line of JSON (host, port,
and what else there is to know) once the servers answer, then reads commands from its input, each answered by one line:
"stop" kills the server as a machine that fails does; "start" starts it again with the same port and what was on its
disk; "failover" (with --sentinel) kills the master and returns when the sentinel names another. At the end of the
input it stops everything and removes the folder.

Needs nothing but the standard library, openssl for --tls, and Debian's redis-tools: the server's program is in that
package under another name, and unlike redis-server it starts no server of its own on installation.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from service import end_with_parent, free_port, ignore_signals_of_the_test, run_commands

# The same program: what it is depends on the name it is called by.
PROGRAMS = [os.environ.get("SALVER_REDIS_SERVER", ""), "/usr/bin/redis-server", "/usr/bin/redis-check-rdb"]


def program():
    """The server's program, or None: then the tests that need it are skipped."""
    return next((path for path in PROGRAMS if path and Path(path).exists()), None)


def ask(port, *words):
    """One command to the server on `port`, its reply as text; None when it does not answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            parts = [str(word).encode() for word in words]
            connection.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
            return connection.recv(1 << 20).decode(errors="replace")
    except OSError:
        return None


def wait_for(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"Redis: {what} did not happen in {seconds} s.")
        time.sleep(0.02)


class RedisServer:
    """One server. Every write is on its disk before it is acknowledged, so a kill loses nothing."""
    host = "127.0.0.1"

    def __init__(self, *options, folder=None, port=0, tls=False):
        if program() is None:
            raise RuntimeError("there is no Redis on this machine. Install redis-tools (scripts/bootstrap).")
        self.own_folder = folder is None
        self.folder = Path(folder or tempfile.mkdtemp(prefix="salver_redis_", dir="/tmp"))
        self.folder.mkdir(exist_ok=True)
        self.options = list(options)
        self.port, self.process, self.tls_port = port, None, 0
        try:
            if tls:
                self._use_tls()
            self.start()
        except BaseException:
            self.close()
            raise

    def _use_tls(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                        "-keyout", "server.key", "-out", "server.crt"], cwd=self.folder, check=True, capture_output=True)
        self.tls_port = free_port()
        self.options += ["--tls-port", self.tls_port, "--tls-cert-file", self.folder / "server.crt", "--tls-key-file",
                         self.folder / "server.key", "--tls-ca-cert-file", self.folder / "server.crt",
                         "--tls-auth-clients", "no"]

    def start(self):
        """Starts the server, or starts it again on its port; returns when it answers."""
        for _ in range(5):
            port = self.port or free_port(below=55000)  # a cluster's servers speak 10000 ports higher too
            command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", self.folder, "--save", "",
                       "--appendonly", "yes", "--appendfsync", "always", "--logfile", self.folder / "log",
                       "--enable-debug-command", "yes", *self.options]
            self.process = subprocess.Popen([str(word) for word in command], executable=program(), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                            preexec_fn=end_with_parent)
            # While it reads its files it answers that it does.
            wait_for(lambda: self.process.poll() is not None or not (ask(port, "PING") or "-LOADING").startswith("-LOADING"),
                     "a start")
            # Someone else may have taken the port and answer in its place. Behind a password nobody says who they are.
            about = ask(port, "INFO", "server") or ""
            if self.process.poll() is None and (f"process_id:{self.process.pid}" in about or "NOAUTH" in about):
                self.port = port
                return
        raise RuntimeError(f"Redis did not start:\n{(self.folder / 'log').read_text()}")

    def stop(self):
        """Kills the server, as a machine that fails does."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
        self.process = None

    def describe(self):
        return {"host": self.host, "port": self.port, "tls_port": self.tls_port, "folder": str(self.folder)}

    def close(self):
        self.stop()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class RedisGroup:
    """Several servers in one folder."""
    host = "127.0.0.1"

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="salver_redis_", dir="/tmp"))
        self.servers = []

    def add(self, *options):
        self.servers.append(RedisServer(*options, folder=self.folder / str(len(self.servers))))
        return self.servers[-1]

    def describe(self):
        return {"host": self.host, "port": self.servers[0].port, "ports": [one.port for one in self.servers]}

    def close(self):
        for one in self.servers:
            one.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class RedisCluster(RedisGroup):
    """Three masters without replicas, a third of the slots each."""

    def __init__(self):
        super().__init__()
        try:
            for _ in range(3):
                self.add("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
            for number, one in enumerate(self.servers):
                first, last = number * 16384 // 3, (number + 1) * 16384 // 3 - 1
                ask(one.port, "CLUSTER", "ADDSLOTSRANGE", first, last)
                ask(one.port, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                ask(one.port, "CLUSTER", "MEET", self.host, self.servers[0].port)
            wait_for(lambda: all("cluster_state:ok" in ask(one.port, "CLUSTER", "INFO") and
                                 "cluster_known_nodes:3" in ask(one.port, "CLUSTER", "INFO") for one in self.servers),
                     "a whole cluster")
        except BaseException:
            self.close()
            raise

    def move_slots(self):
        """Gives every slot of the first server that is empty to the second."""
        ids = [ask(one.port, "CLUSTER", "MYID").split("\r\n")[1] for one in self.servers]
        for slot in range(0, 16384 // 3):
            for one in (self.servers[1], self.servers[0], self.servers[2]):
                ask(one.port, "CLUSTER", "SETSLOT", slot, "NODE", ids[1])


class RedisSentinel(RedisGroup):
    """A master, a replica and a sentinel that takes the master for dead after half a second."""
    name = "mymaster"

    def __init__(self):
        super().__init__()
        try:
            self.master = self.add()
            self.replica = self.add("--replicaof", f"{self.host} {self.master.port}")
            wait_for(lambda: "master_link_status:up" in (ask(self.replica.port, "INFO", "replication") or ""), "replication")
            configuration = self.folder / "sentinel.conf"
            self.sentinel_port = free_port()
            configuration.write_text(f"port {self.sentinel_port}\nbind 127.0.0.1\ndir {self.folder}\n"
                                     f"sentinel monitor {self.name} {self.host} {self.master.port} 1\n"
                                     f"sentinel down-after-milliseconds {self.name} 500\n"
                                     f"sentinel failover-timeout {self.name} 3000\n")
            self.sentinel = subprocess.Popen(["redis-sentinel", str(configuration), "--sentinel"], executable=program(),
                                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                             preexec_fn=end_with_parent)
            wait_for(lambda: "num-slaves" in (ask(self.sentinel_port, "SENTINEL", "MASTER", self.name) or "") and
                             "slave" in (ask(self.sentinel_port, "SENTINEL", "REPLICAS", self.name) or ""), "a watched master")
        except BaseException:
            self.close()
            raise

    def describe(self):
        return super().describe() | {"port": self.sentinel_port}

    def failover(self):
        self.master.stop()
        port = str(self.replica.port)
        wait_for(lambda: f"\r\n{port}\r\n" in (ask(self.sentinel_port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name) or "")
                         and "role:master" in (ask(self.replica.port, "INFO", "replication") or ""), "a failover")

    def close(self):
        if hasattr(self, "sentinel"):
            self.sentinel.kill()
            self.sentinel.wait()
        super().close()


def main():
    kinds = {(): RedisServer, ("--tls",): lambda: RedisServer(tls=True), ("--cluster",): RedisCluster,
             ("--sentinel",): RedisSentinel, ("--password",): lambda: RedisServer("--requirepass", "hunter2")}
    make = kinds.get(tuple(sys.argv[1:]))
    if make is None:
        print(__doc__)
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    ignore_signals_of_the_test()
    with make() as server:
        run_commands(server, {name: getattr(server, name) for name in ("start", "stop", "failover", "move_slots")
                              if hasattr(server, name)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
