"""Claims that other rules made: what the rules of now might not let out does not leave the node."""

from databricks_uploader.errors import StateError
from databricks_uploader.events import TakenBack, Tell
from databricks_uploader.model.pipeline import Pipeline
from databricks_uploader.ports import Ports


def take_back(pipeline: Pipeline, ports: Ports, tell: Tell) -> None:
    """Take back the pending claims that other rules made, and all after them: their rows are read again.

    Raises StateError where one of them may have left the node.
    """
    pending = ports.state.pending(pipeline.identity)
    others = [number for number, claim in enumerate(pending) if claim.rules != pipeline.rules]
    if not others:
        return
    given_up = pending[others[0] :]
    for claim in given_up:
        if claim.may_be_out or claim.rules is None:
            raise StateError(
                f"claim {claim.sequence} for {pipeline.identity.target_table} was made by other rules, and "
                + ("may have left the node" if claim.may_be_out else "can't be taken back"),
                hint="give back the rules that it was made by until it is loaded; or run `databricks-uploader state "
                "rebuild` to give it up and go on after what the table holds",
            )
    ports.spool.discard(ports.state.take_back(given_up[0]))
    tell(TakenBack(pipeline.identity, sum(claim.counts.read for claim in given_up)))
