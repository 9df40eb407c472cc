"""LabelView: labels that people give, taken by push. Registered; this release does not serve it."""

import enum
from datetime import timedelta
from typing import Any, Dict, List, Optional

from salver.data_source import DataSource
from salver.definition import Definition, compact
from salver.duration import duration_json
from salver.entity import Entity
from salver.feature_view import check_entities, check_ttl, split_schema
from salver.field import Field, check_schema
from salver.projection import FeatureViewProjection, Projectable


class ConflictPolicy(enum.Enum):
    LAST_WRITE_WINS = "last_write_wins"
    LABELER_PRIORITY = "labeler_priority"
    MAJORITY_VOTE = "majority_vote"


class LabelView(Definition, Projectable):
    kind = "label_view"

    def __init__(self, *, name: str, source: Optional[DataSource] = None, schema: Optional[List[Field]] = None,
                 entities: Optional[List[Entity]] = None, ttl: Optional[timedelta] = timedelta(0), online: bool = True,
                 description: str = "", tags: Optional[Dict[str, str]] = None, owner: str = "", labeler_field: str = "labeler",
                 conflict_policy: ConflictPolicy = ConflictPolicy.LAST_WRITE_WINS,
                 reference_feature_view: Optional[str] = None) -> None:
        super().__init__(name, description, tags, owner)
        self.source = source
        self.entity_list = check_entities(name, entities)
        self.ttl = check_ttl(name, ttl)
        self.schema_fields = check_schema("label view", name, schema)
        self.features, self.entity_columns = split_schema(self.entity_list, self.schema_fields)
        self.online, self.labeler_field = online, labeler_field
        self.conflict_policy, self.reference_feature_view = conflict_policy, reference_feature_view
        self.projection = FeatureViewProjection(name, list(self.features))

    def data_sources(self) -> List[DataSource]:
        return [self.source] if self.source is not None else []

    def to_json(self) -> Dict[str, Any]:
        policy = self.conflict_policy.name if self.conflict_policy != ConflictPolicy.LAST_WRITE_WINS else None
        spec = compact({"name": self.name, "entities": [entity.name for entity in self.entity_list],
                        "features": [f.to_json() for f in self.features],
                        "entity_columns": [f.to_json() for f in self.entity_columns], "tags": self.tags,
                        "ttl": duration_json(self.ttl) if self.ttl is not None else None, "online": self.online,
                        "description": self.description, "owner": self.owner, "labeler_field": self.labeler_field,
                        "conflict_policy": policy, "reference_feature_view": self.reference_feature_view})
        if self.source is not None:
            spec["source"] = self.source.to_json()
        return {"spec": spec}
