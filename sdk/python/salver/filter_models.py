"""Filters on feature values, with Feast's names: what retrieve_online_documents_v2 may find."""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Union


@dataclass
class ComparisonFilter:
    """type: eq, ne, gt, gte, lt, lte with one value; in, nin with a list. A null feature passes none of them."""

    type: str
    key: str
    value: Any


@dataclass
class CompoundFilter:
    """type: and, or."""

    type: str
    filters: List[Union[ComparisonFilter, "CompoundFilter"]] = field(default_factory=list)


def to_dict(filters: Any) -> Dict[str, Any]:
    """The filter as JSON has it; objects of Feast's classes and dicts are taken too."""
    if isinstance(filters, dict):
        return filters
    if hasattr(filters, "filters"):
        return {"type": filters.type, "filters": [to_dict(part) for part in filters.filters]}
    return {"type": filters.type, "key": filters.key, "value": filters.value}


def convert_dict_to_filter(filter_dict: Dict[str, Any]) -> Union[ComparisonFilter, CompoundFilter]:
    if filter_dict.get("type") in ("and", "or"):
        return CompoundFilter(filter_dict["type"], [convert_dict_to_filter(part) for part in filter_dict["filters"]])
    return ComparisonFilter(filter_dict["type"], filter_dict["key"], filter_dict["value"])
