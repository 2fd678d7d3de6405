"""Whether patterns can be carried out, asked of the engine that will: RE2 has its own grammar."""

import re
import warnings
from collections.abc import Sequence

import duckdb

from databricks_uploader.model.step_faults import StepFault
from databricks_uploader.model.steps import Pattern, Step


def pattern_faults(steps: Sequence[Step]) -> list[StepFault]:
    """Return the patterns that are none, each with what is wrong and at which character."""
    found = []
    with duckdb.connect(config={"threads": 1}) as connection:
        for number, step in enumerate(steps):
            for rule in step.rules:
                reason = _reason(connection, rule.pattern) if isinstance(rule, Pattern) else None
                if reason is not None:
                    found.append(StepFault(number, rule.inside, f"is no pattern of RE2: {reason}"))
    return found


def _reason(connection: duckdb.DuckDBPyConnection, pattern: str) -> str | None:
    try:
        connection.execute("SELECT regexp_replace('', $pattern, '', 'g')", {"pattern": pattern}).fetchall()
    except duckdb.Error as error:
        return _told(str(error).partition(": ")[2], pattern)
    return None


def _told(message: str, pattern: str) -> str:
    """Return RE2's message with the position of what it quotes: 'missing ]: [a-' of 'x[a-' is at character 2."""
    reason, _, quoted = message.partition(": ")
    position = pattern.find(quoted) if quoted and quoted != pattern else _unbalanced(pattern)
    return reason if position is None or position < 0 else f"{reason} at character {position + 1}"


def _unbalanced(pattern: str) -> int | None:
    """Return where a pattern is wrong that RE2 quotes as a whole, as it does for parentheses: Python's re knows."""
    with warnings.catch_warnings(action="ignore"):
        try:
            re.compile(pattern)
        except re.error as error:
            return error.pos
    return None
