"""Durations as protobuf JSON writes them."""

from datetime import timedelta


def duration_json(duration: timedelta) -> str:
    """timedelta(days=1) -> "86400s"; fractions keep their microseconds."""
    micros = duration // timedelta(microseconds=1)
    seconds, rest = divmod(abs(micros), 1_000_000)
    return f"{'-' if micros < 0 else ''}{seconds}{f'.{rest:06d}' if rest else ''}s"
