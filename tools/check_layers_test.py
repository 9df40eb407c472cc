"""check_layers.py finds each kind of fault where one was planted, and finds none where there is none."""

import check_layers
import pytest

LIST = "# Rooms\n```layers\nbase\nmodel <- base\nonline <- model\nserver <- online\n```\n"


@pytest.fixture
def tree(tmp_path):
    def write(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    write("docs/architecture.md", LIST)
    write("include/salver/status.h", "#pragma once\n")
    write("src/base/clock.h", '#include "salver/status.h"\n')
    write("src/model/view.h", '#include <vector>\n#include "base/clock.h"\n#include "feast/core/Entity.pb.h"\n')
    write("src/online/memory/memory.h", '#include "model/view.h"\n')
    write("src/online/memory/memory.cc", '#include "online/memory/memory.h"\n')
    write("src/server/server.cc", '#include "base/clock.h"\n#include "model/view.h"\n')
    return tmp_path, write


def test_a_clean_tree_has_no_fault(tree):
    root, _ = tree
    assert check_layers.check(root) == ([], 6)


@pytest.mark.parametrize(
    "path, text, fault",
    [
        ("src/base/bad.cc", '\n#include "model/view.h"\n', 'src/base/bad.cc:2: room "base" includes src/model/view.h'),
        ("src/model/bad.cc", ' #  include "server/new.h"\n', 'src/model/bad.cc:1: room "model" includes src/server/new.h'),
        ("include/salver/bad.h", '#include "base/clock.h"\n', "include/salver/bad.h:1: a public header includes"),
        ("src/server/bad.cc", '#include "online/memory/memory.h"\n', "nothing outside src/online/memory/ includes it"),
        ("src/online/bad.cc", '#include "memory/memory.h"\n', "nothing outside src/online/memory/ includes it"),
        ("src/online/sqlite/bad.cc", '#include "../memory/memory.h"\n', "nothing outside src/online/memory/"),
        ("src/kitchen/bad.cc", "\n", 'room "kitchen" is not in the list'),
        ("src/base/clock.h", '#include "clock.h"\n', "a cycle of includes: src/base/clock.h -> src/base/clock.h"),
    ],
)
def test_a_planted_fault_is_found(tree, path, text, fault):
    root, write = tree
    write("src/server/new.h", "")
    write(path, text)
    faults, _ = check_layers.check(root)
    assert len(faults) == 1 and fault in faults[0]


def test_a_cycle_through_three_headers_is_found(tree):
    root, write = tree
    write("src/base/a.h", '#include "base/b.h"\n')
    write("src/base/b.h", '#include "base/c.h"\n')
    write("src/base/c.h", '#include "base/a.h"\n')
    faults, _ = check_layers.check(root)
    assert faults == ["a cycle of includes: src/base/a.h -> src/base/b.h -> src/base/c.h -> src/base/a.h"]


@pytest.mark.parametrize(
    "text", ["no list", "```layers\nmodel <- base\nbase\n```\n", "```layers\na <- b\nb <- a\n```\n"]
)
def test_a_list_that_points_down_is_refused(text):
    with pytest.raises(check_layers.BadList):
        check_layers.read_rooms(text)
