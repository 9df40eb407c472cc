"""What runs the SQL of virtual features."""

from dataclasses import dataclass
from typing import Any, Dict, List, Optional


@dataclass
class QueryTable:
    """A name that the SQL selects from: `sql` is a SELECT in its place, `rows` (a pyarrow.Table) its rows, if not None."""

    name: str
    sql: str
    rows: Any
    identity: str  # another one when its rows may be others; "": not known
    extension: str  # of DuckDB, that `sql` needs: "delta"


@dataclass
class FeatureQuery:
    """columns: those of the answer that are wanted. keys: rows of other keys need not be computed; None: all rows."""

    sql: str
    asked_by: str  # for messages: the feature
    columns: List[str]
    tables: List[QueryTable]
    keys: Any


class QueryExecutor:
    """Runs the SQL of virtual features on an engine. What execute raises is a VirtualizationQueryError to who asked."""

    name = "custom"

    def execute(self, query: FeatureQuery) -> Any:
        """The rows, as a pyarrow.Table or what gives an Arrow stream. Called from any thread, also at the same time."""
        raise NotImplementedError(f"{type(self).__name__} has no execute(query). Write one that returns a pyarrow.Table.")

    def explain(self, query: FeatureQuery) -> str:
        """How the query would be run, for people."""
        return query.sql


@dataclass
class DuckDBQueryExecutor(QueryExecutor):
    """Runs inside the core. query_timeout_seconds 0: no timeout. enable_caching: answers are kept while no table that
    the SQL names changed."""

    query_timeout_seconds: float = 300
    enable_caching: bool = True
    cache_size_mb: int = 256
    name = "duckdb"


class SparkQueryExecutor(QueryExecutor):
    """Comes with the Spark compute engine."""

    def __init__(self, *args: object, **options: object) -> None:
        raise NotImplementedError("SparkQueryExecutor is not in this release: it comes with the Spark compute engine. "
                                  "Use DuckDBQueryExecutor.")


class _Adapter:
    """What the core calls: queries come as dicts, tables as Arrow streams."""

    def __init__(self, executor: QueryExecutor) -> None:
        self._executor = executor

    def execute(self, query: Dict[str, Any]) -> Any:
        return self._executor.execute(self._query(query))

    def explain(self, query: Dict[str, Any]) -> str:
        return str(self._executor.explain(self._query(query)))

    @staticmethod
    def _query(query: Dict[str, Any]) -> FeatureQuery:
        import pyarrow

        def table(stream: Optional[Any]) -> Any:
            return None if stream is None else pyarrow.table(stream)

        tables = [QueryTable(**{**one, "rows": table(one["rows"])}) for one in query["tables"]]
        return FeatureQuery(**{**query, "tables": tables, "keys": table(query["keys"])})
