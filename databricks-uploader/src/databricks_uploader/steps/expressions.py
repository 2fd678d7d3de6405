"""Rules as DuckDB expressions over one column; values are bound, never part of the text."""

import hashlib
from collections.abc import Callable
from datetime import date

from databricks_uploader.model.column_kinds import Kind, exact, kind_of
from databricks_uploader.model.literals import Literal, literal, typed_condition
from databricks_uploader.model.secret import Secret
from databricks_uploader.model.steps import (
    Condition,
    Hash,
    Mask,
    Operator,
    Pattern,
    Redact,
    Replacement,
    Round,
    SanitizeRule,
    TruncateTime,
)

Bind = Callable[[object], str]
"""Binds a value to a statement; returns the parameter's name in SQL."""
_TYPES = {
    "byte": "TINYINT", "short": "SMALLINT", "integer": "INTEGER", "long": "BIGINT", "float": "FLOAT",
    "double": "DOUBLE", "string": "VARCHAR", "binary": "BLOB", "boolean": "BOOLEAN", "date": "DATE",
    "timestamp": "TIMESTAMPTZ", "timestamp_ntz": "TIMESTAMP",
}  # fmt: skip
_BLOCK = 64


def quoted(name: str) -> str:
    """Return an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def duckdb_type(delta_type: str) -> str:
    """Return DuckDB's name of a Delta type; those of decimals are alike."""
    return _TYPES.get(delta_type) or delta_type.upper()


def condition(rule: Condition, column: str, delta_type: str, bind: Bind) -> str:
    """Return a predicate that is not TRUE for the rows that the rule excludes."""
    typed = typed_condition(rule, delta_type)
    if typed.operator is Operator.IS_NULL:
        return f"{column} IS {'' if typed.values[0] else 'NOT '}NULL"
    values = [_value(value, delta_type, bind) for value in typed.values]
    match typed.operator:
        case Operator.BETWEEN:
            return f"{column} BETWEEN {values[0]} AND {values[1]}"
        case Operator.IN:
            return f"{column} IN ({', '.join(values)})"
        case Operator.NOT_IN:
            return f"{column} NOT IN ({', '.join(values)})"
    return f"{column} {_COMPARISONS[typed.operator]} {values[0]}"


_COMPARISONS = {
    Operator.EQUAL: "=",
    Operator.NOT_EQUAL: "<>",
    Operator.GREATER: ">",
    Operator.AT_LEAST: ">=",
    Operator.LESS: "<",
    Operator.AT_MOST: "<=",
}


def altered(rule: SanitizeRule, column: str, delta_type: str, bind: Bind, key: Secret | None) -> str:
    """Return what a rule makes of a column's values. Raises ValueError where it needs a key and there is none."""
    match rule:
        case Pattern():
            return f"regexp_replace({column}, {bind(rule.pattern)}, '', 'g')"
        case Replacement():
            return _replaced(rule, column, delta_type, bind)
        case Round():
            return _rounded(rule.decimals, column, delta_type)
        case TruncateTime():
            return _truncated(rule.unit, column, delta_type)
    return _concealed(rule, column, delta_type, bind, key)


def _concealed(rule: SanitizeRule, column: str, delta_type: str, bind: Bind, key: Secret | None) -> str:
    match rule:
        case Hash():
            return _hashed(column, delta_type, bind, key)
        case Mask():
            return _masked(rule.keep_last, column, bind)
        case Redact():
            return f"CASE WHEN {column} IS NOT NULL THEN CAST({bind(rule.text)} AS VARCHAR) END"
    raise ValueError(f"{rule.name} alters no value")


def differs(rule: SanitizeRule, result: str, column: str) -> str:
    """Return a predicate that is TRUE where `result`, what a rule made of a column, is another value."""
    if isinstance(rule, Hash):
        return f"{column} IS NOT NULL"
    if isinstance(rule, Mask | Redact):
        return f"{result} IS DISTINCT FROM CAST({column} AS VARCHAR)"
    return f"{result} IS DISTINCT FROM {column}"


def _value(value: Literal, delta_type: str, bind: Bind) -> str:
    if isinstance(value, date):
        bound: object = value.isoformat()
    else:
        bound = value if isinstance(value, str | bool | float) else str(value)
    return f"CAST({bind(bound)} AS {duckdb_type(delta_type)})"


def _replaced(rule: Replacement, column: str, delta_type: str, bind: Bind) -> str:
    cases = []
    for before, after in rule.pairs:
        found = _value(literal(before, delta_type, from_text=True), delta_type, bind)
        given = f"CAST(NULL AS {duckdb_type(delta_type)})"
        if after is not None:
            given = _value(literal(after, delta_type), delta_type, bind)
        cases.append(f"WHEN {column} = {found} THEN {given}")
    return f"CASE {' '.join(cases)} ELSE {column} END"


def _hashed(column: str, delta_type: str, bind: Bind, key: Secret | None) -> str:
    """Return HMAC-SHA-256 (RFC 2104) in lower hexadecimal digits of `hashed_bytes`; NULL stays NULL."""
    if key is None:
        raise ValueError("hash needs a key")
    inner, outer = pads(key)
    message = hashed_bytes(column, delta_type)
    return f"sha256({bind(outer)} || unhex(sha256({bind(inner)} || {message})))"


def pads(key: Secret) -> tuple[bytes, bytes]:
    """Return the inner and the outer pad of HMAC-SHA-256: the key's UTF-8 bytes XOR 0x36… and 0x5c… (RFC 2104)."""
    secret = key.reveal().encode()
    block = (hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(_BLOCK, b"\0")
    return bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block)


def hashed_bytes(column: str, delta_type: str) -> str:
    """Return the bytes that `hash` is of: the same for the same value, whichever node or table it is in.

    Bytes as they are; text in UTF-8; everything else as a text: integers and decimals in decimal digits, with all of
    the type's decimals; true and false; 2026-01-31; 2026-01-31T08:00:00.000000Z, without Z where there is no zone;
    floating-point numbers with the fewest digits that give the same number, as Python's repr, and 0.0 for -0.0.
    """
    match kind_of(delta_type):
        case Kind.BYTES:
            return column
        case Kind.INSTANT:
            return f"encode(strftime({_in_utc(column)}, '%Y-%m-%dT%H:%M:%S.%fZ'))"
        case Kind.LOCAL_TIME:
            return f"encode(strftime({column}, '%Y-%m-%dT%H:%M:%S.%f'))"
        case Kind.FLOATING:
            return f"encode(CAST({column} + CAST(0 AS {duckdb_type(delta_type)}) AS VARCHAR))"
    return f"encode(CAST({column} AS VARCHAR))"


def _in_utc(column: str) -> str:
    """Return a time as one without zone: some functions on TIMESTAMPTZ go through a calendar, and are slow."""
    return f"make_timestamp(epoch_us({column}))"


def _masked(keep_last: int, column: str, bind: Bind) -> str:
    text, keep = f"CAST({column} AS VARCHAR)", f"CAST({bind(keep_last)} AS BIGINT)"
    return (
        f"CASE WHEN length({text}) <= {keep} THEN repeat('*', length({text})) "
        f"ELSE repeat('*', length({text}) - {keep}) || right({text}, {keep}) END"
    )


def _rounded(decimals: int, column: str, delta_type: str) -> str:
    if kind_of(delta_type) is Kind.FLOATING:
        return f"CAST(round(CAST({column} AS DOUBLE), {decimals:d}) AS {duckdb_type(delta_type)})"
    if decimals >= exact(delta_type).scale:
        return column
    return f"CAST(round({column}, {decimals:d}) AS {duckdb_type(delta_type)})"


def _truncated(unit: str, column: str, delta_type: str) -> str:
    if kind_of(delta_type) is Kind.INSTANT:
        return f"make_timestamptz(epoch_us(date_trunc('{unit}', {_in_utc(column)})))"
    return f"CAST(date_trunc('{unit}', {column}) AS {duckdb_type(delta_type)})"
