"""Lets `from feast import ...` in a repository resolve to Salver, whether or not Feast is installed.

install() puts modules named feast, feast.types, ... into sys.modules. Each holds Salver's classes under the names
that Feast's module of that name has; asking for anything else is an ImportError that names the nearest.
"""

import importlib
import sys
import types
from typing import Dict, List

from salver.nearest import nearest_hint

_OFFLINE = "feast.infra.offline_stores"
_CONTRIB = _OFFLINE + ".contrib"
# Module of Feast -> modules of Salver whose names it has.
_MODULES: Dict[str, List[str]] = {
    "feast": ["salver"],
    "feast.aggregation": ["salver.aggregation"],
    "feast.batch_feature_view": ["salver.feature_view"],
    "feast.data_format": ["salver.data_format"],
    "feast.data_source": ["salver.data_source"],
    "feast.entity": ["salver.entity"],
    "feast.feature": ["salver.field"],
    "feast.feature_logging": ["salver.feature_logging"],
    "feast.feature_service": ["salver.feature_service"],
    "feast.feature_store": ["salver"],
    "feast.feature_view": ["salver.feature_view"],
    "feast.feature_view_projection": ["salver.projection"],
    "feast.field": ["salver.field"],
    "feast.filter_models": ["salver.filter_models"],
    "feast.infra": [],
    _OFFLINE: [],
    _OFFLINE + ".file_source": ["salver.data_source", "salver.feature_logging", "salver.saved_dataset"],
    "feast.saved_dataset": ["salver.saved_dataset"],
    _OFFLINE + ".bigquery_source": ["salver.data_source", "salver.feature_logging"],
    _OFFLINE + ".redshift_source": ["salver.data_source", "salver.feature_logging"],
    _OFFLINE + ".snowflake_source": ["salver.data_source", "salver.feature_logging"],
    _CONTRIB: [],
    _CONTRIB + ".athena_offline_store": [],
    _CONTRIB + ".athena_offline_store.athena_source": ["salver.data_source", "salver.feature_logging"],
    _CONTRIB + ".spark_offline_store": [],
    _CONTRIB + ".spark_offline_store.spark_source": ["salver.data_source"],
    _CONTRIB + ".trino_offline_store": [],
    _CONTRIB + ".trino_offline_store.trino_source": ["salver.data_source"],
    _CONTRIB + ".postgres_offline_store": [],
    _CONTRIB + ".postgres_offline_store.postgres_source": ["salver.data_source"],
    "feast.label_view": ["salver.label_view"],
    "feast.on_demand_feature_view": ["salver.on_demand_feature_view"],
    "feast.permissions": [],
    "feast.permissions.action": ["salver.permission"],
    "feast.permissions.permission": ["salver.permission"],
    "feast.permissions.policy": ["salver.permission"],
    "feast.project": ["salver.project"],
    "feast.stream_feature_view": ["salver.stream_feature_view"],
    "feast.transformation": [],
    "feast.transformation.base": ["salver.transformation"],
    "feast.types": ["salver.types"],
    "feast.value_type": ["salver.value_type"],
}


class _AliasModule(types.ModuleType):
    """A module of Feast's name with Salver's contents."""

    def __init__(self, name: str, sources: List[str]) -> None:
        super().__init__(name)
        self.__path__: List[str] = []  # a package: submodules are looked up in sys.modules first
        self.__dict__["_sources"] = sources

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        known = set()
        for source in self.__dict__["_sources"]:
            module = importlib.import_module(source)
            if hasattr(module, "__all__") and name not in module.__all__:
                known.update(module.__all__)
                continue
            try:
                value = getattr(module, name)
            except AttributeError:
                known.update(vars(module))
                continue
            self.__dict__[name] = value
            return value
        child = f"{self.__name__}.{name}"
        if child in sys.modules:
            return sys.modules[child]
        raise ImportError(f'Salver has no "{name}" in its "{self.__name__}".{nearest_hint(name, known)}')


class _AliasFinder:
    """Says which module of Feast is missing, instead of finding a real Feast's file behind the alias."""

    def find_spec(self, name: str, path=None, target=None):
        if name.startswith("feast."):
            raise ImportError(f'Salver has no module "{name}".{nearest_hint(name, _MODULES)}')
        return None


def install() -> None:
    """Idempotent. Modules of a real Feast that are loaded already are replaced."""
    for name in [module for module in sys.modules if module == "feast" or module.startswith("feast.")]:
        del sys.modules[name]
    for name, sources in _MODULES.items():
        sys.modules[name] = _AliasModule(name, sources)
    if not any(isinstance(finder, _AliasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AliasFinder())
