"""A pipeline's cycle by itself, from its first turn to its last."""

from databricks_uploader.events import Tell
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.ports import Ports
from databricks_uploader.runner import cycle


def whole_cycle(pipeline: Pipeline, ports: Ports, tell: Tell) -> int | None:
    """Upload all there is; return how many rows, None when it was time to stop before."""
    turns = cycle(pipeline, ports, tell)
    while True:
        try:
            next(turns)
        except StopIteration as end:
            rows: int | None = end.value
            return rows
