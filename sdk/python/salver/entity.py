"""Entity: what features describe."""

from typing import Any, Dict, List, Optional

from salver.definition import Definition, compact
from salver.value_type import ValueType


class Entity(Definition):
    """A named join key. join_keys holds one name; without it the entity's own name is the join key."""

    kind = "entity"

    def __init__(self, *, name: str, join_keys: Optional[List[str]] = None, value_type: Optional[ValueType] = None,
                 description: str = "", tags: Optional[Dict[str, str]] = None, owner: str = "") -> None:
        super().__init__(name, description, tags, owner)
        if isinstance(join_keys, str):
            raise TypeError(f'entity "{name}": join_keys is text; write join_keys=["{join_keys}"].')
        if join_keys is not None and len(join_keys) > 1:
            raise ValueError(f'entity "{name}" has {len(join_keys)} join keys {join_keys!r}; it can have one. Make an entity for each.')
        if value_type is not None and not isinstance(value_type, ValueType):
            raise TypeError(f'entity "{name}": value_type is {value_type!r}; use ValueType.INT64, ValueType.STRING ...')
        self.join_key = join_keys[0] if join_keys else name
        self.value_type = value_type or ValueType.UNKNOWN

    def to_json(self) -> Dict[str, Any]:
        value_type = self.value_type.name if self.value_type != ValueType.UNKNOWN else None
        return {"spec": compact({"name": self.name, "value_type": value_type, "description": self.description,
                                 "join_key": self.join_key, "tags": self.tags, "owner": self.owner})}
