"""What runs the SQL of virtual features."""

from dataclasses import dataclass


@dataclass
class DuckDBQueryExecutor:
    """query_timeout_seconds 0: no timeout. enable_caching: answers are kept while no table that the SQL names changed."""

    query_timeout_seconds: float = 300
    enable_caching: bool = True
    cache_size_mb: int = 256


class SparkQueryExecutor:
    """Comes with the Spark compute engine."""

    def __init__(self, *args: object, **options: object) -> None:
        raise NotImplementedError("SparkQueryExecutor is not in this release: it comes with the Spark compute engine. "
                                  "Use DuckDBQueryExecutor.")
