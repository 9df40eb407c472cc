"""The schema of a feature group: columns, their types, and which values are legal."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Dict, List, Union


class DataType(Enum):
    INT = "INT"
    BIGINT = "BIGINT"
    FLOAT = "FLOAT"
    DOUBLE = "DOUBLE"
    DECIMAL = "DECIMAL"
    STRING = "STRING"
    TIMESTAMP = "TIMESTAMP"
    DATE = "DATE"
    ARRAY = "ARRAY"
    MAP = "MAP"
    STRUCT = "STRUCT"
    BOOLEAN = "BOOLEAN"


class FeatureType(Enum):
    NUMERICAL = "NUMERICAL"
    CATEGORICAL = "CATEGORICAL"
    TEXT = "TEXT"
    VECTOR = "VECTOR"
    TIMESERIES = "TIMESERIES"
    COMPLEX = "COMPLEX"


def _name(value: Union[Enum, str]) -> str:
    return value.value if isinstance(value, Enum) else value


@dataclass
class FeatureSchema:
    """metadata: "min", "max", "unit", "element_type" (of an ARRAY), "fields" (of a STRUCT, as JSON), and others."""

    name: str
    data_type: Union[DataType, str]
    feature_type: Union[FeatureType, str] = FeatureType.NUMERICAL
    description: str = ""
    nullable: bool = True
    metadata: Dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> Dict[str, Any]:
        return {"name": self.name, "data_type": _name(self.data_type), "feature_type": _name(self.feature_type),
                "description": self.description, "nullable": self.nullable,
                "metadata": {key: str(value) for key, value in self.metadata.items()}}

    @staticmethod
    def from_dict(message: Dict[str, Any]) -> "FeatureSchema":
        return FeatureSchema(message["name"], DataType(message["data_type"]), FeatureType(message["feature_type"]),
                             message["description"], message["nullable"], dict(message["metadata"]))


@dataclass
class FeatureGroupSchema:
    """entity_keys: names of BIGINT columns, or a FeatureSchema for a key of another type."""

    name: str
    entity_keys: List[Union[str, FeatureSchema]]
    features: List[FeatureSchema]
    timestamp_key: str = ""
    version: int = 1
    description: str = ""
    tags: Dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> Dict[str, Any]:
        keys = [key if isinstance(key, FeatureSchema) else FeatureSchema(key, DataType.BIGINT) for key in self.entity_keys]
        return {"name": self.name, "version": self.version, "entity_keys": [key.to_dict() for key in keys],
                "timestamp_key": self.timestamp_key, "description": self.description,
                "features": [feature.to_dict() for feature in self.features], "tags": dict(self.tags)}

    @staticmethod
    def from_dict(message: Dict[str, Any]) -> "FeatureGroupSchema":
        return FeatureGroupSchema(message["name"], [FeatureSchema.from_dict(key) for key in message["entity_keys"]],
                                  [FeatureSchema.from_dict(feature) for feature in message["features"]],
                                  message["timestamp_key"], message["version"], message["description"],
                                  dict(message["tags"]))
