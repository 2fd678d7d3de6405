"""The documents that show what the program does; `python -m tests.support.documents` writes their generated parts."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import program, values

from databricks_uploader.destinations.databricks.errors import MEANINGS, OTHERWISE
from databricks_uploader.settings.model import GROUPS, KEYS, Key
from databricks_uploader.settings.schema import FILE_NAME, schema

PRODUCT = Path(__file__).parents[2]
DOCS = PRODUCT.parent / "docs"
SETTINGS = DOCS / "configuration.md"
FAULTS = DOCS / "configuration-faults.md"
DATABRICKS = DOCS / "databricks.md"
TYPES = DOCS / "types.md"
SCHEMA = PRODUCT / FILE_NAME

_TABLE = re.compile(
    r"(?<=<!-- settings: begin \(written by `make docs`\) -->\n).*?(?=<!-- settings: end -->)", re.DOTALL
)
_ERRORS = re.compile(r"(?<=<!-- errors: begin \(written by `make docs`\) -->\n).*?(?=<!-- errors: end -->)", re.DOTALL)
_FILE = re.compile(r"^`(?P<name>[^`\n]+)`:\n\n```\w*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_SESSION = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A chapter that shows files and what the program says of them."""

    title: str
    files: dict[str, str]
    session: str
    """What stands in its terminal: a command after each `$ `, then what it prints."""

    def __str__(self) -> str:
        return self.title


def examples(text: str) -> Iterator[Example]:
    """Yield the examples of a document: its chapters that have a terminal."""
    for chapter in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        session = _SESSION.search(chapter)
        if session:
            files = {match["name"]: match["text"] for match in _FILE.finditer(chapter)}
            yield Example(chapter.splitlines()[0], files, session[0])


def played(example: Example, folder: Path) -> tuple[str, list[int]]:
    """Return what an example's terminal shows when it is played in `folder`, and the commands' exit codes."""
    for name, content in example.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    shown, codes = "", []
    path = f"{program.PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    for command in re.findall(r"^\$ ((?:.*\\\n)*.*)", example.session, re.MULTILINE):
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=folder,
            env={**program.plain_environment(), "PATH": path, "HOME": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        shown += f"$ {command}\n{done.stdout}"
        codes.append(done.returncode)
    return shown, codes


def settings_table() -> str:
    """Return the table of all settings."""
    lines = ["", "| key | variable | flag | default | meaning |", "| --- | --- | --- | --- | --- |"]
    for group in GROUPS:
        lines += [f"| **{group}** | | | | |", *(_row(key) for key in KEYS if key.group == group)]
    return "\n".join(lines) + "\n\n"


def _row(key: Key) -> str:
    default = "" if key.default_text is None else f"`{key.default_text}`"
    later = "" if key.available else " *Not available in this version.*"
    return f"| {_code(key.names)} | {_code(key.variables)} | {_code(key.flags)} | {default} | {key.help}{later} |"


def errors_table() -> str:
    """Return the table of what a workspace's errors mean."""
    lines = ["", "| what it means | told by | what happens | what to do |", "| --- | --- | --- | --- |"]
    for row in (*MEANINGS, OTHERWISE):
        told = [*row.classes, *(f"SQLSTATE {state}…" for state in row.sqlstates), *map(str, row.statuses), *row.words]
        happens = next(what for name, what in KINDS.items() if name in {kind.__name__ for kind in row.error.__mro__})
        lines.append(f"| {row.what} | {_code(tuple(told))} | {happens} | {row.hint} |")
    return "\n".join(lines) + "\n\n"


KINDS = {
    "ConfigError": "waits for a person, trying again (`--once`: exit 2)",
    "PermanentError": "the pipeline is parked, tried every 15 minutes (exit 1)",
    "TransientError": "tried again, ever more slowly (exit 75 after `retry_for`)",
}


def with_errors(text: str) -> str:
    """Return the document of workspaces with its table of errors as the program has it."""
    return _ERRORS.sub(lambda _: errors_table(), text)


def _code(words: tuple[str, ...]) -> str:
    return " ".join(f"`{word}`" for word in words)


def schema_text() -> str:
    """Return what `databricks-uploader schema` prints."""
    return json.dumps(schema(), indent=2) + "\n"


def with_table(text: str) -> str:
    """Return the document of settings with its table as the model has it."""
    return _TABLE.sub(lambda _: settings_table(), text)


def _written_anew(text: str) -> str:
    """Return a document of examples with what each terminal shows now."""
    written, rest = "", text
    for example in examples(text):
        with TemporaryDirectory() as folder:
            shown, _ = played(example, Path(folder))
        before, title, after = rest.partition(f"\n## {example.title}\n")
        written += before + title
        rest = after.replace(example.session, shown, 1)
    return written + rest


def main() -> None:
    """Write the generated parts."""
    SETTINGS.write_text(with_table(SETTINGS.read_text()))
    DATABRICKS.write_text(with_errors(DATABRICKS.read_text()))
    SCHEMA.write_text(schema_text())
    FAULTS.write_text(_written_anew(FAULTS.read_text()))
    with TemporaryDirectory() as folder:
        TYPES.write_text(values.written_anew(TYPES.read_text(), Path(folder)))


if __name__ == "__main__":
    main()
