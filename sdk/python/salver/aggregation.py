"""Aggregation over a time window. Registered; this release does not compute it."""

from datetime import timedelta
from typing import Any, Dict, Optional

from salver.definition import compact
from salver.duration import duration_json


class Aggregation:
    def __init__(self, column: Optional[str] = "", function: Optional[str] = "", time_window: Optional[timedelta] = None,
                 slide_interval: Optional[timedelta] = None, name: Optional[str] = None) -> None:
        self.column, self.function, self.name = column or "", function or "", name or ""
        self.time_window, self.slide_interval = time_window, slide_interval

    def to_json(self) -> Dict[str, Any]:
        return compact({"column": self.column, "function": self.function, "name": self.name,
                        "time_window": duration_json(self.time_window) if self.time_window else None,
                        "slide_interval": duration_json(self.slide_interval) if self.slide_interval else None})
