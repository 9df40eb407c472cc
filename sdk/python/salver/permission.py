"""Who may do what with which objects."""

import enum
from typing import Any, Dict, List, Optional

from salver.definition import Definition, compact


class AuthzedAction(enum.Enum):
    CREATE = "create"
    DESCRIBE = "describe"
    UPDATE = "update"
    DELETE = "delete"
    READ_ONLINE = "read_online"
    READ_OFFLINE = "read_offline"
    WRITE_ONLINE = "write_online"
    WRITE_OFFLINE = "write_offline"


ALL_ACTIONS = list(AuthzedAction)
READ = [AuthzedAction.READ_ONLINE, AuthzedAction.READ_OFFLINE]
WRITE = [AuthzedAction.WRITE_ONLINE, AuthzedAction.WRITE_OFFLINE]
CRUD = [AuthzedAction.CREATE, AuthzedAction.DESCRIBE, AuthzedAction.UPDATE, AuthzedAction.DELETE]


class Policy:
    def to_json(self) -> Dict[str, Any]:
        return {}


class AllowAllPolicy(Policy):
    pass


AllowAll = AllowAllPolicy()


class RoleBasedPolicy(Policy):
    def __init__(self, roles: List[str]) -> None:
        self.roles = list(roles)

    def to_json(self) -> Dict[str, Any]:
        return {"role_based_policy": {"roles": self.roles}}


class GroupBasedPolicy(Policy):
    def __init__(self, groups: List[str]) -> None:
        self.groups = list(groups)

    def to_json(self) -> Dict[str, Any]:
        return {"group_based_policy": {"groups": self.groups}}


class NamespaceBasedPolicy(Policy):
    def __init__(self, namespaces: List[str]) -> None:
        self.namespaces = list(namespaces)

    def to_json(self) -> Dict[str, Any]:
        return {"namespace_based_policy": {"namespaces": self.namespaces}}


class CombinedGroupNamespacePolicy(Policy):
    def __init__(self, groups: List[str], namespaces: List[str]) -> None:
        self.groups, self.namespaces = list(groups), list(namespaces)

    def to_json(self) -> Dict[str, Any]:
        return {"combined_group_namespace_policy": {"groups": self.groups, "namespaces": self.namespaces}}


_TYPES = {"FeatureView": "FEATURE_VIEW", "OnDemandFeatureView": "ON_DEMAND_FEATURE_VIEW", "BatchFeatureView": "BATCH_FEATURE_VIEW",
          "StreamFeatureView": "STREAM_FEATURE_VIEW", "Entity": "ENTITY", "FeatureService": "FEATURE_SERVICE",
          "DataSource": "DATA_SOURCE", "ValidationReference": "VALIDATION_REFERENCE", "SavedDataset": "SAVED_DATASET",
          "Permission": "PERMISSION", "Project": "PROJECT", "LabelView": "LABEL_VIEW"}


def _as_list(value: Any) -> list:
    return list(value) if isinstance(value, (list, tuple)) else [value] if value is not None else []


class Permission(Definition):
    kind = "permission"

    def __init__(self, name: str, types: Any = None, name_patterns: Any = None, required_tags: Optional[Dict[str, str]] = None,
                 actions: Any = ALL_ACTIONS, policy: Policy = AllowAll, tags: Optional[Dict[str, str]] = None) -> None:
        super().__init__(name, "", tags, "")
        self.types = _as_list(types)
        for entry in self.types:
            if getattr(entry, "__name__", None) not in _TYPES:
                raise TypeError(f'permission "{name}": types has {entry!r}; give classes such as FeatureView.')
        self.name_patterns = _as_list(name_patterns)
        self.actions = _as_list(actions)
        self.required_tags = dict(required_tags or {})
        self.policy = policy

    def to_json(self) -> Dict[str, Any]:
        spec = compact({"name": self.name, "types": [_TYPES[entry.__name__] for entry in self.types],
                        "name_patterns": self.name_patterns, "required_tags": self.required_tags,
                        "actions": [action.name for action in self.actions], "tags": self.tags})
        spec["policy"] = self.policy.to_json()
        return {"spec": spec}
