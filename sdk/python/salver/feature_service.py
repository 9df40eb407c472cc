"""FeatureService: what one model asks for."""

from typing import Any, Dict, List, Optional

from salver.definition import Definition, compact
from salver.feature_logging import LoggingConfig
from salver.projection import FeatureViewProjection, Projectable


class FeatureService(Definition):
    kind = "feature_service"

    def __init__(self, *, name: str, features: List[Any], tags: Optional[Dict[str, str]] = None, description: str = "",
                 owner: str = "", logging_config: Optional[LoggingConfig] = None, precompute_online: bool = False) -> None:
        super().__init__(name, description, tags, owner)
        if not isinstance(features, (list, tuple)):
            raise TypeError(f'feature service "{name}": features is {features!r}; give a list of feature views.')
        self.feature_view_projections: List[FeatureViewProjection] = []
        for entry in features:
            if isinstance(entry, str):
                entry = _by_name(name, entry)
            if not isinstance(entry, (Projectable, FeatureViewProjection)):
                raise TypeError(f'feature service "{name}": features has {entry!r}; give feature views, such as stats or stats[["trips"]].')
            self.feature_view_projections.append(entry if isinstance(entry, FeatureViewProjection) else entry.projection)
        self.logging_config = logging_config
        self.precompute_online = precompute_online

    def to_json(self) -> Dict[str, Any]:
        spec = compact({"name": self.name, "features": [p.to_json() for p in self.feature_view_projections], "tags": self.tags,
                        "description": self.description, "owner": self.owner, "precompute_online": self.precompute_online})
        if self.logging_config is not None:
            spec["logging_config"] = self.logging_config.to_json()
        return {"spec": spec}


def _by_name(service: str, reference: str) -> FeatureViewProjection:
    """ "view:feature" or "view" as text."""
    from salver.projection import _Named

    view, _, feature = reference.partition(":")
    if not view:
        raise ValueError(f'feature service "{service}": features has {reference!r}; write "view" or "view:feature".')
    return FeatureViewProjection(view, [_Named(feature)] if feature else None)
