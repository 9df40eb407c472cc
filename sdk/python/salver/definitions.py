"""Evaluates a repository's Python files and prints what they define as one JSON object.

    python -m salver.definitions REPOSITORY --project NAME

prints {"registry": feast.core.Registry as protobuf JSON, "locations": {"kind:name": {"file", "line"}},
"problems": [{"file", "line", "message"}]}. What user code prints goes to stderr. The exit code is 0 also with
problems: they are part of the answer.
"""

import json
import os
import sys
import traceback
from typing import Any, Dict, Iterable, List, Optional, Tuple

from salver.data_source import DataSource
from salver.definition import Definition
from salver.entity import Entity
from salver.feature_service import FeatureService
from salver.feature_view import FeatureView
from salver.label_view import LabelView
from salver.on_demand_feature_view import OnDemandFeatureView
from salver.permission import Permission
from salver.project import Project
from salver.stream_feature_view import StreamFeatureView

# Class -> member of feast.core.Registry, in the order of collecting.
_MEMBERS = ((Project, "projects"), (Entity, "entities"), (DataSource, "data_sources"), (FeatureView, "feature_views"),
            (StreamFeatureView, "stream_feature_views"), (OnDemandFeatureView, "on_demand_feature_views"),
            (LabelView, "label_views"), (FeatureService, "feature_services"), (Permission, "permissions"))
_VIEWS = ("feature_views", "stream_feature_views", "on_demand_feature_views", "label_views")


class Collection:
    """Definitions by kind and name, and what is wrong with them."""

    def __init__(self, repository: str = "") -> None:
        self.repository = repository
        self.objects: Dict[str, Dict[str, Definition]] = {member: {} for _, member in _MEMBERS}
        self.problems: List[Dict[str, Any]] = []

    def add(self, definition: Definition) -> None:
        for kind, member in _MEMBERS:
            if not isinstance(definition, kind):
                continue
            have = self.objects[member].get(definition.name)
            if have is not None and have is not definition:
                if have.to_json() != definition.to_json():
                    self._duplicate(definition, have)
                return
            self.objects[member][definition.name] = definition
            if member in _VIEWS:
                for source in definition.data_sources():
                    self._add_source(source)
            elif isinstance(definition, DataSource):
                self._add_source(definition)
            return

    def _add_source(self, source: DataSource) -> None:
        self.objects["data_sources"].setdefault(source.name, source)
        if self.objects["data_sources"][source.name] is not source:
            have = self.objects["data_sources"][source.name]
            if have.to_json() != source.to_json():
                self._duplicate(source, have)
        batch = getattr(source, "batch_source", None)
        if batch is not None:
            self._add_source(batch)

    def _duplicate(self, second: Definition, first: Definition) -> None:
        words = second.kind.replace("_", " ")
        file, line = self.place(first.location)
        self.problem(second.location, f'{words} "{second.name}" is defined twice, differently: also at {file}:{line}. '
                                      "Rename one, or remove it.")

    def problem(self, location: Tuple[str, int], message: str) -> None:
        file, line = self.place(location)
        entry = {"file": file, "line": line, "message": message}
        if entry not in self.problems:
            self.problems.append(entry)

    def place(self, location: Tuple[str, int]) -> Tuple[str, int]:
        file, line = location
        inside = self.repository and os.path.abspath(file).startswith(os.path.abspath(self.repository) + os.sep)
        return (os.path.relpath(file, self.repository) if inside else file), line

    def to_json(self, project: str = "") -> Dict[str, Any]:
        registry: Dict[str, List[Any]] = {}
        locations = {}
        for _, member in _MEMBERS:
            messages = []
            for definition in self.objects[member].values():
                message = definition.to_json()
                if project and member == "data_sources":
                    message["project"] = project
                elif project and member != "projects":
                    message["spec"]["project"] = project
                messages.append(message)
                file, line = self.place(definition.location)
                locations[f"{definition.kind}:{definition.name}"] = {"file": file, "line": line}
            if messages:
                registry[member] = messages
        return {"registry": registry, "locations": locations, "problems": self.problems}


def to_json(objects: Iterable[Any], project: str = "") -> str:
    """The same JSON for objects in hand, as FeatureStore.apply takes them."""
    collection = Collection()
    for entry in objects:
        if not isinstance(entry, Definition):
            raise TypeError(f"{entry!r} is nothing to apply. Give entities, sources, feature views and feature services.")
        collection.add(entry)
    return json.dumps(collection.to_json(project))


def python_files(repository: str) -> List[str]:
    """All *.py files, but those in hidden folders, virtual environments, and what .feastignore names."""
    import fnmatch

    ignored = []
    ignore_file = os.path.join(repository, ".feastignore")
    if os.path.exists(ignore_file):
        with open(ignore_file, encoding="utf-8") as lines:
            ignored = [line.strip() for line in lines if line.strip() and not line.startswith("#")]

    def is_ignored(path: str) -> bool:
        relative = os.path.relpath(path, repository)
        parts = relative.split(os.sep)
        return any(fnmatch.fnmatch(relative, pattern) or pattern.rstrip("/") in parts or
                   relative.startswith(pattern.rstrip("/") + os.sep) for pattern in ignored)

    found = []
    for folder, folders, files in os.walk(repository):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in ("__pycache__", "venv")
                            and not is_ignored(os.path.join(folder, name))
                            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg")))
        found += [os.path.join(folder, name) for name in sorted(files)
                  if name.endswith(".py") and name != "__init__.py" and not is_ignored(os.path.join(folder, name))]
    return sorted(found)


def _user_location(error: BaseException, repository: str) -> Optional[Tuple[str, int]]:
    """The innermost line of the repository in the error's traceback."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 0
    place = None
    for frame in traceback.extract_tb(error.__traceback__):
        if os.path.isabs(frame.filename) and os.path.abspath(frame.filename).startswith(os.path.abspath(repository) + os.sep):
            place = (frame.filename, frame.lineno or 0)
    return place


def evaluate(repository: str) -> Collection:
    """Imports every file of the repository, as modules under its root, and collects what they define."""
    import importlib

    from salver import compat

    compat.install()
    repository = os.path.abspath(repository)
    collection = Collection(repository)
    os.chdir(repository)
    sys.path.insert(0, repository)
    sys.dont_write_bytecode = True
    for path in python_files(repository):
        module_name = os.path.relpath(path, repository)[: -len(".py")].replace(os.sep, ".")
        try:
            module = importlib.import_module(module_name)
        except (Exception, SystemExit) as error:  # user code may raise anything
            text = str(error.msg if isinstance(error, SyntaxError) else error) or type(error).__name__
            kind = "" if isinstance(error, (TypeError, ValueError, ImportError)) else f"{type(error).__name__}: "
            collection.problem(_user_location(error, repository) or (path, 0), kind + text)
            continue
        for name in dir(module):
            value = getattr(module, name)
            if isinstance(value, Definition):
                collection.add(value)
    return collection


def main(arguments: List[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments else 2
    repository = arguments[0]
    project = arguments[arguments.index("--project") + 1] if "--project" in arguments[:-1] else ""
    if not os.path.isdir(repository):
        print(f'there is no folder "{repository}".', file=sys.stderr)
        return 1
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever user code prints, by any means, is not part of the answer
    sys.stdout = sys.stderr
    collection = evaluate(repository)
    json.dump(collection.to_json(project), answer)
    answer.close()
    return 0


if __name__ == "__main__":
    # Run as __main__, this file must be the same module as salver.definitions: classes are compared by identity.
    from salver.definitions import main as run

    sys.exit(run(sys.argv[1:]))
