"""Field: a named, typed column of a schema."""

from typing import Any, Dict, Optional

from salver.definition import check_name, check_tags, check_text, compact
from salver.types import FeastType, from_value_type
from salver.value_type import ValueType


class Field:
    """A feature (or join key) in schema=[...]. dtype is one of salver.types."""

    def __init__(self, *, name: str, dtype: Any, description: str = "", tags: Optional[Dict[str, str]] = None,
                 vector_index: bool = False, vector_length: int = 0, vector_search_metric: Optional[str] = None) -> None:
        self.name = check_name("field", name)
        if isinstance(dtype, ValueType):
            dtype = from_value_type(dtype)
        if not isinstance(dtype, FeastType):
            raise TypeError(f'field "{name}" has dtype {dtype!r}, which is no feature type. '
                            "Use one of salver.types, such as Float32 or Array(Int64).")
        self.dtype = dtype
        self.description = check_text("field", name, "description", description)
        self.tags = check_tags("field", name, tags)
        self.vector_index = vector_index
        self.vector_length = vector_length
        self.vector_search_metric = vector_search_metric or ""

    def to_json(self) -> Dict[str, Any]:
        value_type = self.dtype.to_value_type()
        # These two exist in Python only; the registry's enum has bytes.
        name = "BYTES" if value_type in (ValueType.PDF_BYTES, ValueType.IMAGE_BYTES) else value_type.name
        return compact({"name": self.name, "value_type": name, "tags": {**self.dtype.tags, **self.tags},
                        "description": self.description, "vector_index": self.vector_index,
                        "vector_search_metric": self.vector_search_metric, "vector_length": self.vector_length})

    def __repr__(self) -> str:
        return f"Field({self.name}: {self.dtype!r})"


class Feature:
    """The older way to write a field; kept because repositories still import it."""

    def __init__(self, name: str, dtype: ValueType, description: str = "", labels: Optional[Dict[str, str]] = None) -> None:
        self.name, self.dtype, self.description, self.labels = name, dtype, description, labels or {}


def check_schema(kind: str, name: str, schema: Any) -> list:
    """The schema as a list of Field; None is []. TypeError naming the view and the entry that is no Field."""
    if schema is None:
        return []
    if not isinstance(schema, (list, tuple)):
        raise TypeError(f'{kind} "{name}": schema is {type(schema).__name__}; give a list of Field(name=..., dtype=...).')
    fields = []
    for entry in schema:
        if isinstance(entry, Feature):
            entry = Field(name=entry.name, dtype=entry.dtype, description=entry.description, tags=entry.labels)
        if not isinstance(entry, Field):
            raise TypeError(f'{kind} "{name}": schema has {entry!r}; give Field(name=..., dtype=...).')
        fields.append(entry)
    return fields
