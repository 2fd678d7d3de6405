"""COPY INTO as a value: those of its clauses that are done here.

https://docs.databricks.com/sql/language-manual/delta-copy-into
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.support.warehouse import errors, sqltext

MOST_FILES = 1000
_TARGET = re.compile(rf"\s*COPY\s+INTO\s+({sqltext.NAME})\s*", re.IGNORECASE)
_FROM = re.compile(r"FROM\s*(\(|'_*'|\"_*\")", re.IGNORECASE)
_SELECT = re.compile(
    r"\(\s*SELECT\s+(?P<list>.*?)\s+FROM\s*(?P<path>'_*'|\"_*\")(?P<rest>.*)\)", re.IGNORECASE | re.DOTALL
)
_ALIAS = re.compile(r"(?:\s+(?:AS\s+)?([A-Za-z_]\w*))?\s*", re.IGNORECASE)
_CLAUSE = re.compile(
    r"\s*(?:(FILEFORMAT)\s*=\s*(\w+)|(PATTERN)\s*=\s*('_*')|(FILES)\s*=\s*(\()|(FORMAT_OPTIONS|COPY_OPTIONS)\s*(\())",
    re.IGNORECASE,
)
_OPTIONS = {
    "FORMAT_OPTIONS": {"mergeschema", "ignoremissingfiles", "ignorecorruptfiles"},
    "COPY_OPTIONS": {"force", "mergeschema"},
}


@dataclass(frozen=True)
class CopyInto:
    """What a COPY INTO asks for.

    target: the table as written. select: the list of expressions, `*` without a SELECT. alias: what they call the
    files' columns by, if anything. path: the source folder or file. files: FILES, None without it. pattern: PATTERN's
    glob, None without it. format_options, copy_options: by their names in lower case.
    """

    target: str
    select: str
    alias: str
    path: str
    files: tuple[str, ...] | None
    pattern: str | None
    format_options: Mapping[str, bool]
    copy_options: Mapping[str, bool]


def parse(sql: str) -> CopyInto:
    """Read a COPY INTO. Raises WarehouseError for what isn't one, and for what isn't done here."""
    text = sqltext.code(sql).rstrip("; \n\t")
    target = _TARGET.match(text)
    source = _FROM.match(text, target.end()) if target else None
    if target is None or source is None:
        raise errors.COPY_SYNTAX.error(
            what="COPY INTO table FROM source; BY POSITION and column lists are not done here"
        )
    select, alias, path, end = _source(sql, text, source)
    clauses = _clauses(sql, text, end)
    if "FILEFORMAT" not in clauses:
        raise errors.COPY_SYNTAX.error(what="FILEFORMAT is missing")
    if clauses["FILEFORMAT"].upper() != "PARQUET":
        raise errors.UNSUPPORTED.error(what="COPY INTO from a format other than PARQUET")
    listed, pattern = clauses.get("FILES"), clauses.get("PATTERN")
    if listed is not None and pattern is not None:
        raise errors.COPY_SYNTAX.error(what="FILES and PATTERN exclude each other")
    files = None if listed is None else tuple(sqltext.literals(listed))
    if files is not None and len(files) > MOST_FILES:
        raise errors.COPY_TOO_MANY_FILES.error(count=len(files))
    return CopyInto(
        target=target[1],
        select=select,
        alias=alias,
        path=path,
        files=files,
        pattern=None if pattern is None else sqltext.literal(pattern),
        format_options=_options("FORMAT_OPTIONS", clauses.get("FORMAT_OPTIONS", "")),
        copy_options=_options("COPY_OPTIONS", clauses.get("COPY_OPTIONS", "")),
    )


def _source(sql: str, text: str, source: re.Match[str]) -> tuple[str, str, str, int]:
    """Return the SELECT list, the alias, the path, and where the clauses begin."""
    if source[1] != "(":
        return "*", "", sqltext.literal(sql[source.start(1) : source.end(1)]), source.end()
    opening = source.start(1)
    end = sqltext.closing(text, opening) + 1
    found = _SELECT.fullmatch(text, opening, end)
    alias = _ALIAS.fullmatch(found["rest"]) if found else None
    if found is None or alias is None:
        raise errors.COPY_SYNTAX.error(what="the source is not (SELECT expressions FROM 'path')")
    path = sqltext.literal(sql[found.start("path") : found.end("path")])
    return sql[found.start("list") : found.end("list")], alias[1] or "", path, end


def _clauses(sql: str, text: str, start: int) -> dict[str, str]:
    """Return what each clause holds, by its name; what a parenthesis holds, without it."""
    held: dict[str, str] = {}
    while text[start:].strip():
        found = _CLAUSE.match(text, start)
        if found is None:
            undone = re.match(r"\s*(VALIDATE|WITH|BY\s+POSITION)\b", text[start:], re.IGNORECASE)
            if undone:
                raise errors.UNSUPPORTED.error(what=f"COPY INTO … {undone[1]}")
            raise errors.COPY_SYNTAX.error(what=f"near '{sql[start : start + 20].strip()}'")
        name, value = (group for group in found.groups() if group is not None)
        start = found.end()
        if value == "(":
            end = sqltext.closing(text, start - 1)
            value, start = sql[start:end], end + 1
        elif name.upper() == "PATTERN":
            value = sql[found.end() - len(value) : found.end()]
        held[name.upper()] = value
    return held


def _options(clause: str, written: str) -> dict[str, bool]:
    texts = sqltext.literals(written)
    if len(texts) % 2:
        raise errors.COPY_SYNTAX.error(what=f"an option of {clause} whose name or value is not in quotes")
    options = {name.lower(): value.lower() for name, value in zip(texts[::2], texts[1::2], strict=True)}
    for name, value in options.items():
        if name not in _OPTIONS[clause] or value not in {"true", "false"}:
            raise errors.UNSUPPORTED.error(what=f"{clause} ('{name}' = '{value}')")
    return {name: value == "true" for name, value in options.items()}
