"""A small pipeline of steps that write and read features. Nodes are data; Pipeline runs them in the order they need."""

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List

from salver.feature_store import _call, _stream, _table


@dataclass
class PipelineNode:
    name: str
    add_to: Callable[[Any], None] = field(repr=False)


def table_node(name: str, data: Any) -> PipelineNode:
    return PipelineNode(name, lambda core: core.add_table(name, _stream(data)))


def function_node(name: str, function: Callable[..., Any], inputs: List[str]) -> PipelineNode:
    """function gets the Arrow tables of `inputs` and returns a table."""
    return PipelineNode(name, lambda core: core.add_function(
        name, list(inputs), lambda *streams: _stream(function(*[_table(stream) for stream in streams]))))


def write_features_node(name: str, feature_store: Any, feature_group: str, input_source: str, mode: str = "append",
                        backfill: bool = False) -> PipelineNode:
    return PipelineNode(name, lambda core: core.add_write(name, feature_store._core, feature_group, input_source,
                                                          mode == "overwrite", backfill))


def read_features_node(name: str, feature_store: Any, feature_names: List[str], entity_ids_source: str,
                       after: Any = ()) -> PipelineNode:
    """after: nodes that write what is read here."""
    return PipelineNode(name, lambda core: core.add_read(name, feature_store._core, list(feature_names), entity_ids_source,
                                                         list(after)))


class Pipeline:
    def __init__(self, nodes: List[PipelineNode]) -> None:
        from salver import _core

        self._core = _core.Pipeline()
        for node in nodes:
            node.add_to(self._core)

    def order(self) -> List[str]:
        """Names in the order in which they run; MetadataError lists missing inputs, names given twice, and cycles."""
        return list(_call(self._core.order))

    def run(self) -> Dict[str, Any]:
        """The Arrow table of each node, by name."""
        return {name: _table(stream) for name, stream in _call(self._core.run).items()}
