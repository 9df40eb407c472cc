"""What the servers that tests start have in common: a free port, an end with the test, and commands on their input."""

import ctypes
import json
import signal
import socket
import sys

PR_SET_PDEATHSIG = 1


def free_port(below=65536):
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            if probe.getsockname()[1] < below:
                return probe.getsockname()[1]


def end_with_parent():
    """In the child: a server whose parent is killed stops too."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def run_commands(server, commands):
    """Prints what the server says of itself as one line of JSON, then answers each command of the input with a line.

    `commands` is name -> function of the words that follow the name.
    """
    print(json.dumps(server.describe()), flush=True)
    for line in sys.stdin:
        name, *words = line.split() or [""]
        if name not in commands:
            print(f'error: unknown command "{name}"', flush=True)
            continue
        commands[name](*words)
        print("done", flush=True)


def ignore_signals_of_the_test():
    """A signal meant for the test (Ctrl-C in a terminal reaches the group) must not end the server before it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
