"""What all definition objects share: where they were written, and how arguments are checked."""

import os
import sys
from typing import Any, Dict, Optional, Tuple

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def caller_location() -> Tuple[str, int]:
    """File and line of the innermost frame outside this package: the user's line."""
    frame = sys._getframe(1)
    while frame is not None and os.path.abspath(frame.f_code.co_filename).startswith(_PACKAGE):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else ("", 0)


def compact(message: Dict[str, Any]) -> Dict[str, Any]:
    """The message without what protobuf JSON leaves out: None, "", False, 0, and empty lists and maps."""
    return {key: value for key, value in message.items() if value not in (None, "", False, 0, [], {})}


def check_text(kind: str, name: Any, argument: str, value: Any) -> str:
    """`value` as text; None is "". TypeError naming object and argument otherwise."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f'{kind} "{name}": {argument} is {type(value).__name__} {value!r}; give text.')
    return value


def check_tags(kind: str, name: Any, tags: Optional[Dict[str, str]]) -> Dict[str, str]:
    if tags is None:
        return {}
    if not isinstance(tags, dict) or any(not isinstance(k, str) or not isinstance(v, str) for k, v in tags.items()):
        raise TypeError(f'{kind} "{name}": tags is {tags!r}; give a dict of text to text.')
    return dict(tags)


def check_name(kind: str, name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise ValueError(f"a {kind} has name {name!r}; give it a name of letters, digits and _.")
    return name


class Definition:
    """Base of everything that a repository defines.

    kind is the object's kind in locations ("feature_view"); to_json() is its message as protobuf JSON with the
    registry's field names.
    """

    kind = "definition"

    def __init__(self, name: Any, description: Any = "", tags: Optional[Dict[str, str]] = None, owner: Any = "") -> None:
        self.location = caller_location()
        self.name = check_name(self.kind.replace("_", " "), name)
        self.description = check_text(self.kind, name, "description", description)
        self.tags = check_tags(self.kind, name, tags)
        self.owner = check_text(self.kind, name, "owner", owner)

    def to_json(self) -> Dict[str, Any]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({self.name})>"
