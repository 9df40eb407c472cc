"""Aggregation over a time window that ends at the moment asked about; docs/aggregations.md has the functions."""

from datetime import timedelta
from typing import Any, Dict, Optional

from salver.definition import compact
from salver.duration import duration_json


class Aggregation:
    def __init__(self, column: Optional[str] = "", function: Optional[str] = "", time_window: Optional[timedelta] = None,
                 slide_interval: Optional[timedelta] = None, name: Optional[str] = None) -> None:
        self.column, self.function, self.name = column or "", function or "", name or ""
        self.time_window, self.slide_interval = time_window, slide_interval or time_window

    def resolved_name(self, time_window: Optional[timedelta] = None) -> str:
        """The feature it fills: its name, else "sum_trips", or "sum_trips_86400s" over that window."""
        if self.name:
            return self.name
        window = f"_{int(time_window.total_seconds())}s" if time_window and time_window > timedelta(0) else ""
        return f"{self.function}_{self.column}{window}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Aggregation) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def to_json(self) -> Dict[str, Any]:
        return compact({"column": self.column, "function": self.function, "name": self.name,
                        "time_window": duration_json(self.time_window) if self.time_window is not None else None,
                        "slide_interval": duration_json(self.slide_interval) if self.slide_interval is not None else None})
