"""Statements as text: what is code, what is a literal or a comment, where a parenthesis ends, what a name says.

Statements go to the engine as they came. Only what the engine can't do is cut out of them, by position; so nothing here
understands SQL beyond its tokens (https://docs.databricks.com/sql/language-manual/sql-ref-literals, …/sql-ref-names).
"""

import re
from collections.abc import Callable, Iterator

NAME = r"(?:`[^`]+`|[A-Za-z_]\w*)(?:\s*\.\s*(?:`[^`]+`|[A-Za-z_]\w*))*"
_SKIPPED = re.compile(
    r"""(?P<literal>[rR]?'[^'\\]*(?:(?:\\.|'')[^'\\]*)*'|[rR]?"[^"\\]*(?:(?:\\.|"")[^"\\]*)*")"""
    r"""|(?P<name>`[^`]*`)|(?P<comment>--[^\n]*|/\*.*?\*/)""",
    re.DOTALL,
)
_PART = re.compile(r"`([^`]+)`|([A-Za-z_]\w*)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}


def code(sql: str) -> str:
    """Return `sql` in its own length, with comments as blanks and the inside of literals as underscores."""

    def covered(found: re.Match[str]) -> str:
        text = found.group()
        if found["name"]:
            return text
        return " " * len(text) if found["comment"] else f"{text[0]}{'_' * (len(text) - 2)}{text[-1]}"

    return _SKIPPED.sub(covered, sql)


def without_comments(sql: str) -> str:
    """Return `sql` in its own length, with comments as blanks."""
    return _SKIPPED.sub(lambda found: " " * len(found.group()) if found["comment"] else found.group(), sql)


def replaced(sql: str, pattern: re.Pattern[str], by: Callable[[re.Match[str]], str]) -> str:
    """Return `sql` with what fits `pattern` in its code, not in its literals, replaced by what `by` makes of it."""
    written: list[str] = []
    since = 0
    for found in pattern.finditer(code(sql)):
        written += [sql[since : found.start()], by(found)]
        since = found.end()
    return "".join(written) + sql[since:]


def head(sql: str) -> str:
    """Return the code of `sql` on one line with single blanks: what a statement is recognised by."""
    return " ".join(code(sql).split()).rstrip("; ")


def parts(name: str) -> tuple[str, ...]:
    """Return the parts of a written name, without quotes, in lower case as Unity Catalog stores them."""
    return tuple((quoted or plain).lower() for quoted, plain in _PART.findall(name))


def quoted(name: tuple[str, ...]) -> str:
    """Write `name` so that every part is taken literally."""
    return ".".join(f"`{part}`" for part in name)


def literal(text: str) -> str:
    """Return the string that the literal `text`, with its quotes, stands for."""
    if text[0] in "rR":
        return text[2:-1]
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), text[1:-1].replace("''", "'"))


def as_literal(value: str) -> str:
    """Write `value` as a string literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def closing(text: str, opening: int) -> int:
    """Return the position of the parenthesis that closes the one at `opening` in the code `text`; -1 if none does."""
    depth = 0
    for position in range(opening, len(text)):
        if text[position] == "(":
            depth += 1
        elif text[position] == ")":
            depth -= 1
            if depth == 0:
                return position
    return -1


def items(sql: str, start: int, end: int) -> Iterator[str]:
    """Yield the parts of `sql[start:end]` between the commas that no parenthesis or angle bracket encloses."""
    text, depth, since = code(sql), 0, start
    for position in range(start, end):
        depth += {"(": 1, "<": 1, ")": -1, ">": -1}.get(text[position], 0)
        if text[position] == "," and depth == 0:
            yield sql[since:position].strip()
            since = position + 1
    yield sql[since:end].strip()


def literals(sql: str) -> list[str]:
    """Return the strings of all literals in `sql`, in their order."""
    return [literal(found.group()) for found in _SKIPPED.finditer(sql) if found["literal"]]


_SOURCE = re.compile(
    r"(?<!DISTINCT )\b(?:FROM|JOIN|INTO|USING|UPDATE|TABLE|OVERWRITE)\s+(?!TABLE\b|VALUES\b|SELECT\b)"
    rf"({NAME})(?!\s*\()",
    re.IGNORECASE,
)
_NEXT = re.compile(rf"(?:\s+(?:AS\s+)?(?!ON\b|WHERE\b|JOIN\b)[A-Za-z_]\w*)?\s*,\s*({NAME})(?!\s*\()", re.IGNORECASE)


def tables_named(sql: str) -> list[tuple[int, int]]:
    """Return where `sql` names what could be tables: after FROM, JOIN, INTO, USING, … and commas.

    Some may be other things (a CTE, a column in EXTRACT(… FROM …)): ask the catalog which exist.
    """
    text, found = code(sql), []
    for match in _SOURCE.finditer(text):
        found.append(match.span(1))
        following = _NEXT.match(text, match.end())
        while following:
            found.append(following.span(1))
            following = _NEXT.match(text, following.end())
    return found
