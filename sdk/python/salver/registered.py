"""Objects as the registry holds them, with Feast's attribute names."""

from datetime import datetime, timedelta
from typing import Any, Dict, List, Optional


def _time(text: Optional[str]) -> Optional[datetime]:
    if not text:
        return None
    head, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{(fraction + '000000')[:6]}+00:00")


class Registered:
    """One object of the registry. Its message is in `message`; every field of the spec is an attribute too."""

    def __init__(self, message: Dict[str, Any]) -> None:
        self.message = message
        self._spec = message.get("spec", message)

    @property
    def name(self) -> str:
        return self._spec["name"]

    @property
    def tags(self) -> Dict[str, str]:
        return dict(self._spec.get("tags", {}))

    @property
    def description(self) -> str:
        return self._spec.get("description", "")

    @property
    def owner(self) -> str:
        return self._spec.get("owner", "")

    @property
    def features(self) -> List["Registered"]:
        return [Registered(feature) for feature in self._spec.get("features", [])]

    @property
    def ttl(self) -> Optional[timedelta]:
        text = self._spec.get("ttl")
        return timedelta(seconds=float(text.rstrip("s"))) if text else None

    @property
    def created_timestamp(self) -> Optional[datetime]:
        return _time(self.message.get("meta", {}).get("created_timestamp"))

    @property
    def last_updated_timestamp(self) -> Optional[datetime]:
        return _time(self.message.get("meta", {}).get("last_updated_timestamp"))

    @property
    def materialization_intervals(self) -> List[tuple]:
        return [(_time(i["start_time"]), _time(i["end_time"]))
                for i in self.message.get("meta", {}).get("materialization_intervals", [])]

    def __getattr__(self, name: str) -> Any:
        spec = self.__dict__.get("_spec", {})
        if name in spec:
            return spec[name]
        raise AttributeError(f'"{spec.get("name")}" has no attribute "{name}"')

    def __repr__(self) -> str:
        return f"<Registered({self.name})>"


def wrap(messages: List[Dict[str, Any]], project: Optional[str], tags: Optional[Dict[str, str]]) -> List[Registered]:
    """The project's objects that have all of `tags`; project None: of every project."""
    objects = [Registered(m) for m in messages if project is None or m.get("spec", m).get("project") == project]
    return [o for o in objects if all(o.tags.get(k) == v for k, v in (tags or {}).items())]
