#!/usr/bin/env python3
"""Holds the includes of the tree to the list of rooms in docs/architecture.md.

  check_layers.py [ROOT]

Every `#include "..."` under include/ and src/ is read. A fault is
  - an include of a room that the including room may not use (only the rooms its line names, and what those may use),
  - an include of anything under src/ from include/salver/,
  - a cycle of headers that include each other,
  - an include of a backend's folder (src/<room>/<backend>/) from outside that folder,
  - a room that the list does not name, or a line of the list that makes a cycle.
Each fault is printed with file and line. Exit code 0 none, 1 some, 2 the list can not be read.
"""

import re
import sys
from pathlib import Path

# A line of the list:  room <- room room    inside the fence that starts with ```layers
FENCE = re.compile(r"^```layers\n(.*?)^```", re.MULTILINE | re.DOTALL)
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


class BadList(Exception):
    pass


def read_rooms(text: str) -> dict[str, set[str]]:
    """Room -> every room it may use, directly or through another."""
    fence = FENCE.search(text)
    if not fence:
        raise BadList("docs/architecture.md has no block that starts with ```layers")
    direct: dict[str, set[str]] = {}
    for line in fence.group(1).splitlines():
        if not line.strip():
            continue
        room, _, uses = line.partition("<-")
        named = set(uses.split())
        unknown = named - set(direct)
        if unknown:
            # Uses point up the list only, so a cycle can not be written down.
            raise BadList(f'room "{room.strip()}" uses {", ".join(sorted(unknown))}, which no line above it names')
        direct[room.strip()] = named
    allowed: dict[str, set[str]] = {}
    for room, uses in direct.items():
        allowed[room] = uses.union(*(allowed[use] for use in uses)) if uses else set()
    return allowed


def room_of(path: str) -> str | None:
    """The room of a path relative to the root: src/online/redis/x.cc -> online; include/salver/x.h -> None."""
    parts = path.split("/")
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def backend_of(path: str) -> str | None:
    """src/online/redis/x.cc -> src/online/redis. A folder inside a room is a backend."""
    parts = path.split("/")
    return "/".join(parts[:3]) if parts[0] == "src" and len(parts) > 3 else None


def resolve(root: Path, includer: str, name: str) -> str | None:
    """Where an include leads, relative to the root; None for what is outside include/ and src/ (generated, system)."""
    for base in (Path(includer).parent, Path("include"), Path("src")):
        if (root / base / name).is_file():
            return (root / base / name).resolve().relative_to(root).as_posix()
    return None


def judge(path: str, target: str, rooms: dict[str, set[str]]) -> str | None:
    """What is wrong with an include of `target` in `path`, or None."""
    here, there = room_of(path), room_of(target)
    if there is None:
        return None  # the public headers are for everyone
    if here is None:
        return f'a public header includes {target}: include/ depends on nothing in src/'
    if there not in rooms:
        return f'room "{there}" is not in the list of docs/architecture.md'
    if there != here and there not in rooms.get(here, set()):
        uses = ", ".join(sorted(rooms.get(here, set()))) or "no other room"
        return f'room "{here}" includes {target}, but may use {uses} only'
    # The room's own list of its backends (register.h and the like) lies in the room, beside the folders.
    backend = backend_of(target)
    if backend and backend_of(path) != backend:
        return f"{target} belongs to a backend: nothing outside {backend}/ includes it"
    return None


def find_cycle(graph: dict[str, list[str]]) -> list[str] | None:
    done: set[str] = set()
    for start in sorted(graph):
        trail: list[str] = []
        stack = [(start, iter(graph[start]))]
        while stack:
            node, targets = stack[-1]
            if node not in trail:
                trail.append(node)
            target = next(targets, None)
            if target is None:
                done.add(node)
                trail.pop()
                stack.pop()
            elif target in trail:
                return trail[trail.index(target) :] + [target]
            elif target not in done:
                stack.append((target, iter(graph.get(target, []))))
    return None


def check(root: Path) -> tuple[list[str], int]:
    """The faults, and how many files were read."""
    rooms = read_rooms((root / "docs/architecture.md").read_text())
    faults, graph = [], {}
    files = sorted(p for folder in ("include", "src") for p in (root / folder).rglob("*") if p.suffix in (".h", ".cc"))
    for file in files:
        path = file.relative_to(root).as_posix()
        here = room_of(path)
        if here is not None and here not in rooms:
            faults.append(f'{path}:1: room "{here}" is not in the list of docs/architecture.md')
            continue
        graph[path] = []
        for number, line in enumerate(file.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            target = match and resolve(root, path, match.group(1))
            if not target:
                continue
            graph[path].append(target)
            fault = judge(path, target, rooms)
            if fault:
                faults.append(f"{path}:{number}: {fault}")
    cycle = find_cycle(graph)
    if cycle:
        faults.append("a cycle of includes: " + " -> ".join(cycle))
    return faults, len(files)


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    try:
        faults, count = check(root)
    except (BadList, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(faults + [f"layers: {count} files read, {len(faults)} faults"]))
    return 1 if faults else 0


if __name__ == "__main__":
    if "--help" in sys.argv[1:]:
        print(__doc__)
    else:
        sys.exit(main())
