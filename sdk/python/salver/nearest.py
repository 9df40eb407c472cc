"""The nearest of a list of names, for "Did you mean ...?"."""

from typing import Iterable


def nearest_hint(name: str, candidates: Iterable[str]) -> str:
    """' Did you mean "x"?', or the candidates when none is near, or "" when there are none."""
    import difflib  # only needed when something is wrong

    names = [candidate for candidate in candidates if not candidate.startswith("_")]
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f' Did you mean "{close[0]}"?'
    return f" There is: {', '.join(sorted(names)[:12])}." if names else ""
