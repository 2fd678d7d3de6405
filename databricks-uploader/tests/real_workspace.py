"""What only a real workspace can show: `make test-databricks`, with DATABRICKS_HOST and _HTTP_PATH set.

Who we are is told by DATABRICKS_TOKEN, or by DATABRICKS_CLIENT_ID and _CLIENT_SECRET. Runs the contract suite, both
ways of loading and the examples there, asks what nobody outside knows, and writes a report. All of it happens in
schemas whose names begin with edge_, which are dropped again; the catalog is DATABRICKS_CATALOG, or main.
"""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from tests.support import databases, program
from tests.support.real import RealWorkspace, lacking
from tests.support.workspace import Edge

from databricks_uploader.destinations.databricks.https import Https
from databricks_uploader.destinations.databricks.volume import Volume
from databricks_uploader.model.secret import masked

ROWS = 2_000


def main(report: Path) -> int:
    """Run everything; the exit code says whether all that must hold held."""
    if missing := lacking():
        print(f"skipped: no workspace, {', '.join(missing)} not set")  # noqa: T201  (what a person sees)
        return 0
    workspace = RealWorkspace.from_environment()
    lines = [f"# A real workspace, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "", "## What must hold", ""]
    held = [
        _tests(lines, "contract suite", "tests/contract/test_destinations.py", only="Databricks"),
        _tests(lines, "quick start of the original", "tests/workspace/test_program.py", only="quick_start"),
        _tests(lines, "steps on the way", "tests/workspace/test_steps.py"),
    ]
    held += [_loaded(workspace, lines, volume=volume, lineage=lineage) for volume, lineage in
             ((True, True), (True, False), (False, True), (False, False))]  # fmt: skip
    lines += ["", "## What was not known", "", "| question | answer |", "| --- | --- |"]
    lines += [f"| {question} | {answer} |" for question, answer in _answers(workspace)]
    report.write_text(masked("\n".join(lines) + "\n"))
    print(f"{'all held' if all(held) else 'something did not hold'}: {report}")  # noqa: T201
    return 0 if all(held) else 1


def _tests(lines: list[str], what: str, file: str, only: str = "") -> bool:
    command = [sys.executable, "-m", "pytest", "-q", "-k", only, file]
    done = subprocess.run(
        command, env=os.environ | {"UPLOADER_TEST_WORKSPACE": "real"}, capture_output=True, text=True, check=False
    )
    lines += [f"- {what}: " + (done.stdout.strip().splitlines() or ["nothing was said"])[-1]]
    return done.returncode == 0


def _loaded(workspace: RealWorkspace, lines: list[str], *, volume: bool, lineage: bool) -> bool:
    edge = Edge(workspace, catalog=os.environ.get("DATABRICKS_CATALOG", "main"))
    try:
        edge.create_table(lineage=lineage)
        with TemporaryDirectory() as folder:
            database = Path(folder) / "sensor.db"
            arguments = ("--sqlite", database, "--state-dir", Path(folder) / "state", "--once", "--node-id", "test")
            for _ in range(2):
                databases.add_readings(database, ROWS)
                done = program.run(*arguments, *edge.flags(volume=volume), environment=edge.variables())
        ids = sorted(edge.table().column("id").to_pylist())
    finally:
        edge.drop()
    held = ids == list(range(1, 2 * ROWS + 1))
    way = f"{'volume' if volume else 'MERGE'}, {'with' if lineage else 'without'} lineage columns"
    last = (done.errors.strip().splitlines() or ["nothing was said"])[-1]
    lines.append(f"- program by {way}: {'equal' if held else 'NOT EQUAL'} ({last})")
    return held


def _answers(workspace: RealWorkspace) -> Iterator[tuple[str, str]]:
    """Ask what the stand-in's README lists as assumed, as far as statements and requests tell it."""
    edge = Edge(workspace, catalog=os.environ.get("DATABRICKS_CATALOG", "main"))
    place = f"{edge.catalog}.{edge.schema}"
    folder = f"/Volumes/{edge.catalog}/{edge.schema}/files"
    files = Volume(Https(edge.host), edge.credential_of_admin(), folder)
    try:
        workspace.sql(f"CREATE TABLE {place}.t (id BIGINT, v STRING)")
        with TemporaryDirectory() as local:
            for name, columns in _files().items():
                path = Path(local) / name
                path.write_bytes(columns)
                files.put(name, path)
            again = _outcome(lambda: files.put("a.parquet", Path(local) / "a.parquet"))
        yield "PUT with overwrite=false of a name that is there (False: answered 409)", again
        for question, statement in _questions(place, folder):
            yield question, _outcome(lambda statement=statement: workspace.sql(statement))  # type: ignore[misc]
    finally:
        edge.drop()


def _files() -> dict[str, bytes]:
    def parquet(**columns: pa.Array) -> bytes:
        sink = io.BytesIO()
        pq.write_table(pa.table(columns), sink)
        return sink.getvalue()

    ids = pa.array([1, 2], pa.int64())
    return {
        "a.parquet": parquet(id=ids),
        "b.parquet": parquet(id=ids, v=pa.array(["x", "y"])),
        "int.parquet": parquet(id=ids.cast(pa.int32())),
        "corrupt.parquet": b"twenty bytes of text",
    }


def _questions(place: str, folder: str) -> list[tuple[str, str]]:
    def copy(*names: str, more: str = "") -> str:
        listed = ", ".join(f"'{name}'" for name in names)
        return f"COPY INTO {place}.t FROM '{folder}' FILEFORMAT = PARQUET FILES = ({listed}){more}"

    strict = " FORMAT_OPTIONS ('ignoreMissingFiles' = 'false')"
    return [
        ("COPY INTO of one file", copy("a.parquet")),
        ("the same again", copy("a.parquet")),
        ("a file that is there and one that is not, no option", copy("b.parquet", "missing.parquet")),
        ("a file that is not there, ignoreMissingFiles false", copy("missing.parquet", more=strict)),
        ("INT of a file into BIGINT", copy("int.parquet")),
        ("a corrupt file", copy("corrupt.parquet")),
        ("1,001 names", copy(*(f"{n}.parquet" for n in range(1001)))),
        ("rows as JSON", "SELECT count(*) AS n FROM (SELECT explode(from_json('[[\"1\",null]]', "
                         "'array<array<string>>')) AS r)"),
        ("nullability of a key", f"CREATE TABLE {place}.k (id BIGINT, PRIMARY KEY (id))"),
        ("what DESCRIBE DETAIL says", f"DESCRIBE DETAIL {place}.t"),
        ("rows at the end", f"SELECT id, v FROM {place}.t ORDER BY id, v"),
    ]  # fmt: skip


def _outcome(ask: Callable[[], object]) -> str:
    try:
        told = str(ask())
    except Exception as error:  # noqa: BLE001  (whatever it is, it is the answer)
        told = f"{type(error).__name__}: {error}"
    return " ".join(told.split()).replace("|", "\\|")[:500]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
