"""Types of features, as written in schemas: Float32, Array(Int64), Struct({"age": Int32})."""

import json
from typing import Any, Dict

from salver.value_type import ValueType

STRUCT_SCHEMA_TAG = "feast:struct_schema"


class FeastType:
    """A feature's type. value_type_name is its name in the registry; tags go onto the field."""

    def __init__(self, name: str, value_type: ValueType) -> None:
        self._name = name
        self._value_type = value_type

    def to_value_type(self) -> ValueType:
        return self._value_type

    @property
    def tags(self) -> Dict[str, str]:
        return {}

    def __repr__(self) -> str:
        return self._name

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, FeastType) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


def _check(value: Any, where: str) -> "FeastType":
    if isinstance(value, FeastType):
        return value
    raise TypeError(f"{where} is {value!r}, which is no feature type. Use one of salver.types, such as Float32 or Array(Int64).")


_LISTS = {
    "BYTES": "BYTES_LIST", "STRING": "STRING_LIST", "INT32": "INT32_LIST", "INT64": "INT64_LIST", "DOUBLE": "DOUBLE_LIST",
    "FLOAT": "FLOAT_LIST", "BOOL": "BOOL_LIST", "UNIX_TIMESTAMP": "UNIX_TIMESTAMP_LIST", "MAP": "MAP_LIST",
    "JSON": "JSON_LIST", "STRUCT": "STRUCT_LIST", "UUID": "UUID_LIST", "TIME_UUID": "TIME_UUID_LIST",
    "DECIMAL": "DECIMAL_LIST",
}
_SETS = {key: key + "_SET" for key in _LISTS if key not in ("MAP", "JSON", "STRUCT")}


class _Collection(FeastType):
    _element_types: Dict[str, str] = {}
    _nested = ValueType.VALUE_LIST

    def __init__(self, base_type: Any) -> None:
        word = type(self).__name__
        self.base_type = _check(base_type, f"{word}({base_type!r})")
        element = self.base_type.to_value_type().name
        if isinstance(self.base_type, _Collection):
            value_type = self._nested
        elif element in self._element_types:
            value_type = ValueType[self._element_types[element]]
        else:
            raise TypeError(f"{word}({self.base_type!r}) is no type that Feast has. Use String elements, or Json.")
        super().__init__(f"{word}({self.base_type!r})", value_type)

    @property
    def tags(self) -> Dict[str, str]:
        return self.base_type.tags


class Array(_Collection):
    """A list of values of one type."""

    _element_types = _LISTS


class Set(_Collection):
    """A set of values of one type; kept as a list without repeats."""

    _element_types = _SETS
    _nested = ValueType.VALUE_SET


class Struct(FeastType):
    """A record with named, typed fields."""

    def __init__(self, fields: Dict[str, Any]) -> None:
        if not isinstance(fields, dict) or not fields:
            raise TypeError(f"Struct({fields!r}): give a dict of field name to type, with at least one field.")
        self.fields = {name: _check(dtype, f'Struct field "{name}"') for name, dtype in fields.items()}
        super().__init__(f"Struct({self.fields!r})", ValueType.STRUCT)

    @property
    def tags(self) -> Dict[str, str]:
        return {STRUCT_SCHEMA_TAG: json.dumps({name: dtype.to_value_type().name for name, dtype in self.fields.items()})}


Invalid = FeastType("Invalid", ValueType.UNKNOWN)
Bytes = FeastType("Bytes", ValueType.BYTES)
PdfBytes = FeastType("PdfBytes", ValueType.PDF_BYTES)
ImageBytes = FeastType("ImageBytes", ValueType.IMAGE_BYTES)
String = FeastType("String", ValueType.STRING)
Bool = FeastType("Bool", ValueType.BOOL)
Int32 = FeastType("Int32", ValueType.INT32)
Int64 = FeastType("Int64", ValueType.INT64)
Float32 = FeastType("Float32", ValueType.FLOAT)
Float64 = FeastType("Float64", ValueType.DOUBLE)
UnixTimestamp = FeastType("UnixTimestamp", ValueType.UNIX_TIMESTAMP)
ZonedTimestamp = FeastType("ZonedTimestamp", ValueType.ZONED_TIMESTAMP)
Map = FeastType("Map", ValueType.MAP)
ScalarMap = FeastType("ScalarMap", ValueType.SCALAR_MAP)
Json = FeastType("Json", ValueType.JSON)
Uuid = FeastType("Uuid", ValueType.UUID)
TimeUuid = FeastType("TimeUuid", ValueType.TIME_UUID)
Decimal = FeastType("Decimal", ValueType.DECIMAL)

ALL_TYPES = (Bytes, PdfBytes, ImageBytes, String, Bool, Int32, Int64, Float32, Float64, UnixTimestamp, ZonedTimestamp, Map,
             ScalarMap, Json, Uuid, TimeUuid, Decimal)


def from_value_type(value_type: ValueType) -> FeastType:
    """The type of that value type; TypeError when there is none."""
    for dtype in ALL_TYPES:
        if dtype.to_value_type() == value_type:
            return dtype
    for lists, word in ((_LISTS, Array), (_SETS, Set)):
        for element, name in lists.items():
            if name == value_type.name and element != "STRUCT":
                return word(from_value_type(ValueType[element]))
    raise TypeError(f"{value_type} has no type to be written in a schema.")
