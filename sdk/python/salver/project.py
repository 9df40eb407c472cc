"""Project: the name that a repository's objects belong to."""

from typing import Any, Dict, Optional

from salver.definition import Definition, compact


class Project(Definition):
    kind = "project"

    def __init__(self, *, name: str, description: str = "", tags: Optional[Dict[str, str]] = None, owner: str = "",
                 created_timestamp: Any = None, last_updated_timestamp: Any = None) -> None:
        super().__init__(name, description, tags, owner)

    def to_json(self) -> Dict[str, Any]:
        return {"spec": compact({"name": self.name, "description": self.description, "tags": self.tags, "owner": self.owner})}
