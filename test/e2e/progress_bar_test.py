"""What `salver materialize --progress` writes while it runs: rows, their rate, the time left, and the end."""

import errno
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from salver_command import COMMAND, environment, needs_command, run, write_repository

pytestmark = needs_command

DEFINITIONS = """
entities:
  - {name: driver, join_keys: [driver_id], value_type: INT64}
sources:
  - {name: stats_source, path: data/stats.parquet, timestamp_field: event_timestamp}
feature_views:
"""
VIEW = "  - {name: %s, entities: [driver], source: stats_source, schema: [{name: trips, dtype: Int64}]}\n"
RANGE = ("2026-01-01T00:00:00", "2026-01-02T00:00:00")
FRAME = re.compile(r"\[(?P<bar>#*\.*)\] (?P<done>\d+)/(?P<views>\d+) views, (?P<rows>\d+) rows, (?P<rate>\d+) rows/s"
                   r"(?:, (?P<left>\d+ s|\d+:\d\d min) left)?(?:; (?P<view>\w+) (?P<percent>\d+)%)?")


def applied(folder, rows, *views):
    """A repository whose views have one row of each of `rows` drivers."""
    # Rows go one by one into SQLite, so a run of many takes long enough to be watched.
    repository = write_repository(folder, {"definitions.yaml": DEFINITIONS + "".join(VIEW % view for view in views)},
                                  online_store="{type: sqlite, path: data/online.db}")
    moment = pa.scalar(1767225600_000_000, pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"driver_id": range(rows), "trips": range(rows), "event_timestamp": pa.repeat(moment, rows)}),
                   repository / "data/stats.parquet")
    assert run(repository, "apply")[0] == 0
    return repository


def on_terminal(repository, *arguments, columns=120):
    """What the command writes to a terminal that is its stderr."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([COMMAND, "-c", str(repository), *arguments], stdout=subprocess.DEVNULL, stderr=theirs, env=environment())
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError as error:  # how a terminal ends
            assert error.errno == errno.EIO
            break
        if not part:
            break
        text += part
    os.close(ours)
    assert process.wait(timeout=60) == 0, text
    return text.decode()


def frame(text):
    found = FRAME.fullmatch(text)
    assert found, repr(text)
    assert len(found["bar"]) == 24
    return found


def seconds(left):
    value, unit = left.split()
    return int(value) if unit == "s" else int(value.split(":")[0]) * 60 + int(value.split(":")[1])


ROWS = 200_000


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return applied(tmp_path_factory.mktemp("large"), ROWS, "stats")


def test_on_a_terminal_one_line_is_redrawn_with_rows_rate_and_time_left_until_all_is_done(large):
    text = on_terminal(large, "materialize", *RANGE)
    assert text.endswith("\r\n") and text.count("\n") == 1  # the bar's one line, ended when it is done
    drawn = [frame(line) for line in text.replace("\x1b[K", "").split("\r")[1:-1]]
    end = drawn[-1]
    counts = [int(one["rows"]) for one in drawn]
    running = [one for one, rows in zip(drawn, counts) if rows < ROWS]
    assert counts == sorted(counts) and any(0 < count < ROWS for count in counts)
    for one in running:
        rows, rate = int(one["rows"]), int(one["rate"])
        assert (one["done"], one["views"], one["view"]) == ("0", "1", "stats")
        assert one["bar"].count("#") == 24 * rows // ROWS and int(one["percent"]) == 100 * rows // ROWS
        assert (one["left"] is not None) == (rate > 0)
        if rate > 0:
            assert abs(seconds(one["left"]) - (ROWS - rows) / rate) <= 1
    assert (end["bar"], end["done"], end["views"], end["rows"]) == ("#" * 24, "1", "1", str(ROWS))
    assert int(end["rate"]) > 0 and end["left"] is None and end["view"] is None


def test_no_drawing_is_wider_than_the_terminal(large):
    """A line that wraps is not drawn over by the next: every drawing would leave a line behind."""
    for line in on_terminal(large, "materialize", *RANGE, columns=80).replace("\x1b[K", "").split("\r"):
        assert len(line.strip("\n")) <= 80, line


@pytest.mark.parametrize("command", [("materialize", *RANGE), ("materialize-incremental", RANGE[1])], ids=lambda command: command[0])
def test_elsewhere_the_end_is_one_line_of_all_views(tmp_path, command):
    repository = applied(tmp_path, 500, "stats", "more")
    code, out, err = run(repository, *command, "--progress")
    assert code == 0 and out.count("500 entities written") == 2
    assert err.endswith("\n") and "\r" not in err
    end = frame(err[:-1])
    assert (end["bar"], end["done"], end["views"], end["rows"]) == ("#" * 24, "2", "2", "1000")
    assert int(end["rate"]) > 0 and end["left"] is None and end["view"] is None


def test_without_rows_the_end_is_the_end(tmp_path):
    repository = applied(tmp_path, 5, "stats", "more")
    code, _, err = run(repository, "materialize", "2020-01-01T00:00:00", "2020-01-02T00:00:00", "--progress")
    end = frame(err.splitlines()[-1])
    assert code == 0 and (end["bar"], end["done"], end["views"], end["rows"]) == ("#" * 24, "2", "2", "0")


def test_answers_for_programs_stay_apart_from_progress(tmp_path):
    repository = applied(tmp_path, 5, "stats")
    code, out, err = run(repository, "--output", "json", "materialize", *RANGE, "--progress")
    assert code == 0 and json.loads(out)["views"][0]["rows_written"] == 5 and frame(err[:-1])["rows"] == "5"


def test_elsewhere_nothing_is_shown_unless_asked_for(tmp_path):
    assert run(applied(tmp_path, 5, "stats"), "materialize", *RANGE)[2] == ""
