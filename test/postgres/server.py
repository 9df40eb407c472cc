#!/usr/bin/env python3
"""A PostgreSQL 15 server for one test program: its own cluster in a temporary folder, on a free loopback port.

From Python:   with PostgresServer() as server: ... server.port ...
From elsewhere: run this file. It prints one line of JSON (host, port, database, user, password, tls_root) once the
server answers, then reads commands from its input, each answered by one line: "stop" ends the server at once, its
clients cut off; "start" starts it again with the same data and port. At the end of the input it stops the server
and removes the folder, so a test that dies leaves nothing behind.

Needs nothing but the standard library and Debian's postgresql-15 (or SALVER_POSTGRES_BIN, a folder with initdb and
postgres). Run as root, the server itself runs as the user postgres, else nobody: PostgreSQL refuses root.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from service import end_with_parent, free_port, ignore_signals_of_the_test, run_commands

DEFAULT_BIN = "/usr/lib/postgresql/15/bin"
# Nothing here outlives the test, so nothing is synced; tests are small, so is the memory.
SETTINGS = {
    "listen_addresses": "127.0.0.1", "fsync": "off", "full_page_writes": "off",
    "autovacuum": "off", "shared_buffers": "32MB", "max_connections": "40", "dynamic_shared_memory_type": "posix",
    "wal_level": "minimal", "max_wal_senders": "0", "ssl": "on", "lc_messages": "C", "logging_collector": "off",
    # Not what Salver's answers may depend on: clients say what they want.
    "timezone": "Asia/Kolkata", "datestyle": "German", "bytea_output": "escape",
}


def binaries():
    """The folder of the server's programs, or None: then the tests that need it are skipped."""
    folder = Path(os.environ.get("SALVER_POSTGRES_BIN", DEFAULT_BIN))
    return folder if (folder / "initdb").exists() else None


class PostgresServer:
    host, database, user = "127.0.0.1", "postgres", "salver"

    def __init__(self):
        if binaries() is None:
            raise RuntimeError(f"there is no PostgreSQL at {DEFAULT_BIN}. Install postgresql-15 (scripts/bootstrap).")
        # A short path: a unix socket's name has at most 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="salver_pg_", dir="/tmp"))
        self.password = secrets.token_hex(8)
        self.owner = self._unprivileged()
        self.process, self.port = None, 0
        try:
            self._make_cluster()
            self.start()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _unprivileged():
        """Keywords for subprocess that give up root; empty when there is none to give up."""
        if os.geteuid() != 0:
            return {}
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        raise RuntimeError("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody.")

    def _run(self, *command):
        done = subprocess.run([str(word) for word in command], cwd=self.folder, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=self._environment(), **self.owner)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stdout}")

    def _environment(self):
        return {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(self.folder)}

    def _make_cluster(self):
        if self.owner:
            os.chown(self.folder, self.owner["user"], self.owner["group"])
        secret = self.folder / "password"
        secret.write_text(self.password)
        os.chmod(secret, 0o644)  # inside a folder that only its owner can enter
        self._run(binaries() / "initdb", "-D", self.folder / "data", "-U", self.user, "-E", "UTF8", "--no-locale",
                  "--no-sync", "--no-instructions", "--auth=scram-sha-256", f"--pwfile={secret}")
        self._run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                  "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
                  "-keyout", "data/server.key", "-out", "data/server.crt")
        self.tls_root = self.folder / "root.crt"
        shutil.copy(self.folder / "data" / "server.crt", self.tls_root)
        os.chmod(self.folder, 0o711)
        os.chmod(self.tls_root, 0o644)

    def start(self):
        """Starts the server, or starts it again on its port; returns when it takes connections."""
        settings = dict(SETTINGS, unix_socket_directories=str(self.folder))
        for attempt in range(5):
            port = self.port or free_port()
            command = [str(binaries() / "postgres"), "-D", str(self.folder / "data"), "-p", str(port)]
            for name, value in settings.items():
                command += ["-c", f"{name}={value}"]
            self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                            env=self._environment(), preexec_fn=end_with_parent, **self.owner)
            log = self._wait_until_ready()
            if log is None:
                self.port = port
                return
            if self.port or "could not bind" not in log:
                break
        raise RuntimeError(f"PostgreSQL did not start:\n{log}")

    def _wait_until_ready(self):
        """None once the server takes connections, else what it said before it ended."""
        said = []
        for line in self.process.stderr:
            said.append(line)
            if "database system is ready to accept connections" in line:
                # Someone has to keep reading, or the server blocks on a full pipe.
                threading.Thread(target=self._keep_log, args=(self.process.stderr,), daemon=True).start()
                return None
        self.process.wait()
        return "".join(said)

    def _keep_log(self, stream):
        with open(self.folder / "log", "a") as log:
            for line in stream:
                log.write(line)
                log.flush()

    def stop(self):
        """Ends the server at once, as a machine that fails does: clients lose their connections."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def log(self):
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def describe(self):
        return {"host": self.host, "port": self.port, "database": self.database, "user": self.user,
                "password": self.password, "socket_folder": str(self.folder), "tls_root": str(self.tls_root)}

    def psql(self, sql, database=None):
        """Runs SQL text with the server's own client; its output, unaligned and without headers."""
        done = subprocess.run([str(binaries() / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"],
                              input=sql, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env={"PATH": os.environ["PATH"], "PGHOST": self.host, "PGPORT": str(self.port),
                                   "PGUSER": self.user, "PGPASSWORD": self.password,
                                   "PGDATABASE": database or self.database})
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def main():
    if len(sys.argv) > 1:
        print(__doc__)
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    ignore_signals_of_the_test()
    with PostgresServer() as server:
        run_commands(server, {"start": server.start, "stop": server.stop})
    return 0


if __name__ == "__main__":
    sys.exit(main())
