"""A Python or SQL transformation, kept as its source text. Nothing is pickled, nothing is run here."""

import inspect
from typing import Any, Dict, Optional


class Transformation:
    def __init__(self, name: str, mode: str, text: str) -> None:
        self.name, self.mode, self.text = name, mode, text

    @staticmethod
    def of(name: str, mode: Any, udf: Any, udf_string: Optional[str]) -> "Transformation":
        """The transformation of a function; udf_string is used where its source can not be had."""
        mode_text = getattr(mode, "value", mode) or ""
        text = udf_string or ""
        if not text and isinstance(udf, str):
            text = udf
        elif not text and mode_text == "sql":
            text = sql_text(name, udf)
        elif not text:
            try:
                text = inspect.getsource(udf)
            except (OSError, TypeError):
                raise ValueError(f'transformation "{name}": the source text of {udf!r} can not be read. '
                                 "Write the function with def in a file, or give udf_string.") from None
        return Transformation(getattr(udf, "__name__", name), str(mode_text), text)

    def to_json(self) -> Dict[str, Any]:
        return {"user_defined_function": {"name": self.name, "body_text": self.text, "mode": self.mode}}


def sql_text(name: str, function: Any) -> str:
    """The SQL that a function returns. It is asked once, here: what is kept is the text."""
    if inspect.signature(function).parameters:
        raise ValueError(f'transformation "{name}": its function has parameters, which no SQL text can have. Write a function '
                         "without parameters that returns the SQL; its tables are named as the sources or source views are.")
    text = function()
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f'transformation "{name}": its function returns {text!r}; return one SELECT as text.')
    return text
