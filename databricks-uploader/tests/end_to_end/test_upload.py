"""The main job: the program as a process, a real SQLite file, a real Delta table read back by DuckDB."""

import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.support import databases, program, tables


class Node:
    """A source, a state directory and a lake."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database, self.table, self.state = folder / "sensor.db", folder / "lake" / "raw_readings", folder / "state"
        self.arguments = (
            "--sqlite", str(self.database), "--delta-path", str(folder / "lake"), "--state-dir", str(self.state),
            "--node-id", "node",
        )  # fmt: skip

    def once(self, *more: str) -> program.Result:
        return program.run(*self.arguments, "--once", *more)

    def differences(self) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
        """Return rows of the source that the table lacks, and rows of the table that the source lacks."""
        source = Counter(databases.readings(self.database))
        table = Counter(tables.rows(self.table, "id, epoch_us(timestamp), sensor, temperature, status"))
        return list((source - table).elements())[:5], list((table - source).elements())[:5]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_every_row_of_a_database_arrives_once_with_its_values(node: Node) -> None:
    databases.add_readings(node.database, 20_000)
    result = node.once()
    assert result.exit_code == 0
    assert node.differences() == ([], [])
    assert result.errors == (
        f"INFO    node node: readings of {node.database} → {node.table}, state in {node.state}\n"
        "INFO    column 'timestamp' of 'readings' holds the rows' time\n"
        "INFO    created the table raw_readings\n"
        "INFO    readings is read from its beginning\n"
        "INFO    loaded 20,000 rows into raw_readings\n"
        "INFO    all is uploaded: 20,000 rows in this run\n"
    )


def test_a_second_run_commits_nothing(node: Node) -> None:
    databases.add_readings(node.database, 100)
    node.once()
    before = [sorted(p for p in folder.rglob("*") if p.is_file()) for folder in (node.table, node.state)]
    states = [p.read_bytes() for p in before[1]]
    assert node.once().errors.splitlines()[-1] == "INFO    nothing new"
    assert [sorted(p for p in folder.rglob("*") if p.is_file()) for folder in (node.table, node.state)] == before
    assert [p.read_bytes() for p in before[1]] == states


def test_a_third_run_uploads_what_came_since(node: Node) -> None:
    for rows in (100, 1, 5_000):
        databases.add_readings(node.database, rows)
        assert node.once().exit_code == 0
    assert len(tables.versions(node.table)) == 4
    assert node.differences() == ([], [])


def test_a_live_writer_and_a_loop_beside_it(node: Node) -> None:
    with databases.live_writer(node.database):
        with program.running(*node.arguments, "--interval", "0.1") as uploader:
            for _ in range(5):
                program.wait_for(uploader, "loaded")
            uploader.send_signal(signal.SIGTERM)
            assert uploader.wait(timeout=10) == 0
        assert node.once().exit_code == 0
    assert node.once().exit_code == 0
    assert node.differences() == ([], [])
    assert len(tables.versions(node.table)) >= 6


def test_the_table_tells_where_each_row_came_from(node: Node) -> None:
    for _ in range(2):
        databases.add_readings(node.database, 3)
        node.once()
    rows = tables.rows(
        node.table, "_row, _node_id, _incarnation, _batch_id >> 24, _batch_id & 16777215, epoch_us(_loaded_at)"
    )
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert {row[1] for row in rows} == {"node"}
    assert len({row[2] for row in rows}) == 1
    assert len({row[3] for row in rows}) == 1
    assert [row[4] for row in rows] == [1, 1, 1, 2, 2, 2]
    assert len({row[5] for row in rows}) == 2


def test_files_carry_statistics_that_hold(node: Node) -> None:
    databases.add_readings(node.database, 5_000)
    node.once()
    actions = [json.loads(line) for line in tables.versions(node.table)[-1].read_text().splitlines()]
    (stats,) = [json.loads(action["add"]["stats"]) for action in actions if "add" in action]
    ((rows, low, high, coldest, warmest, unknown),) = tables.rows(
        node.table, "count(*), min(id), max(id), min(temperature), max(temperature), count(*) - count(temperature)"
    )
    assert stats["numRecords"] == rows
    assert (stats["minValues"]["id"], stats["maxValues"]["id"]) == (low, high)
    assert (stats["minValues"]["temperature"], stats["maxValues"]["temperature"]) == (coldest, warmest)
    assert stats["nullCount"]["temperature"] == unknown


def test_two_nodes_fill_one_table(node: Node, tmp_path: Path) -> None:
    other = Node(tmp_path / "other")
    other.folder.mkdir()
    for rows, at in ((50, node), (70, other)):
        databases.add_readings(at.database, rows)
    lake = str(tmp_path / "lake")
    assert node.once().exit_code == 0
    assert other.once("--delta-path", lake, "--node-id", "other").exit_code == 0
    counts = [row[0] for row in tables.rows(node.table, "_node_id")]
    assert (counts.count("node"), counts.count("other")) == (50, 70)


def test_lost_state_goes_on_from_the_table(node: Node) -> None:
    databases.add_readings(node.database, 100)
    node.once()
    shutil.rmtree(node.state)
    databases.add_readings(node.database, 50)
    result = node.once()
    assert "state was lost, and is taken from the table raw_readings: going on after row 100" in result.errors
    assert node.differences() == ([], [])
    assert node.once().errors.splitlines()[-1] == "INFO    nothing new"


def test_settings_come_from_a_file(node: Node) -> None:
    databases.add_readings(node.database, 10)
    config = node.folder / "config.yaml"
    config.write_text(
        "sqlite_path: sensor.db\ndelta_path: lake\nstate_dir: state\nnode_id: node\nonce: true\n"
        "databricks_table: shop_floor\nenable_sanitize: false\n"
    )
    assert program.run("--config", config).exit_code == 0
    assert tables.rows(node.folder / "lake" / "raw_shop_floor", "count(*)") == [(10,)]


def test_without_a_state_directory_state_lies_in_the_working_directory(node: Node) -> None:
    if Path("/state").is_dir():
        pytest.skip("this machine has /state, the default")
    databases.add_readings(node.database, 10)
    result = program.run("--sqlite", "sensor.db", "--delta-path", "lake", "--node-id", "n", "--once", cwd=node.folder)
    assert result.errors.startswith(f"INFO    state is kept in {node.state}, as there is no /state")
    assert (node.state / "state.db").exists()


def test_spaces_and_signs_in_paths(tmp_path: Path) -> None:
    node = Node(tmp_path / "100% ünusual? #1")
    node.folder.mkdir()
    databases.add_readings(node.database, 10)
    assert node.once().exit_code == 0
    assert node.differences() == ([], [])


@pytest.mark.long
def test_kills_at_any_moment_lose_and_double_nothing(node: Node) -> None:
    """SIGKILL wherever it hits, a hundred times, with a live writer."""
    with databases.live_writer(node.database):
        for number in range(100):
            with program.running(*node.arguments, "--interval", "0.05") as uploader:
                if number % 3:
                    program.wait_for(uploader, ("node node", "loaded", "loaded")[number % 3])
                else:
                    with pytest.raises(subprocess.TimeoutExpired):
                        uploader.wait(timeout=0.2 + number / 200)
                uploader.kill()
                uploader.wait(timeout=10)
    assert node.once().exit_code == 0
    assert node.differences() == ([], [])


def test_the_demo_shows_that_all_rows_arrive(tmp_path: Path) -> None:
    demo = Path(__file__).parents[2] / "demo" / "demo.py"
    command = [sys.executable, str(demo), "--seconds", "2", "--folder", str(tmp_path)]
    for _ in range(2):
        shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        last = shown.stdout.splitlines()[-1]
        written, arrived = last.split(" rows written = ")
        assert int(written) == int(arrived.split()[0]) > 0
