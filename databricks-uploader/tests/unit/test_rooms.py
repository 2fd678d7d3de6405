"""The state directory, the spool's files, and the order in which things reach the disk."""

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from tests.support.fakes import READINGS, START, file_of, page_of, spooled

from databricks_uploader.destinations.delta import DeltaDestination
from databricks_uploader.errors import ConfigError, PermanentError, StateError, TransientError, UploaderError
from databricks_uploader.model.claim import Claim, Counts, Head, Identity, Span
from databricks_uploader.model.columns import columns_of, matched, natural_schema
from databricks_uploader.model.node import Machine, Node
from databricks_uploader.model.position import Position, Standing
from databricks_uploader.model.witness import Witness, Witnesses
from databricks_uploader.model.work import Work
from databricks_uploader.ports import ArrowColumns, Lineage
from databricks_uploader.spool.folder import FolderSpool
from databricks_uploader.state import folder as state_folder
from databricks_uploader.state.store import Store

IDENTITY = Identity("node", "readings", "raw_readings")
SCHEMA = natural_schema(READINGS, "time")
OWN = columns_of(matched(READINGS, "time", SCHEMA).pairs)
POSITION = Position(7, -5, None, 0, None, "table", SCHEMA, "time", ("time",), timed=True, secret=b"key")
BEGINNING = Standing(POSITION, Witnesses())


def after(claim: Claim) -> Standing:
    """Stand after a claim, with its last row as the only witness."""
    assert isinstance(claim.span, Span)
    moved = replace(POSITION, cursor=claim.span.up_to, sequence=claim.sequence)
    return Standing(moved, Witnesses((Witness(claim.span.up_to, 1),), claim.span.up_to))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    state_folder.make(tmp_path / "state")
    return tmp_path / "state"


def claim_of(spool: FolderSpool, sequence: int, keys: list[int], after: int | None = None) -> Claim:
    file, statistics = spooled(spool, [page_of(keys)], OWN, Lineage("node", -5, 7, sequence, START))
    counts = Counts(len(keys), len(keys))
    span = Span(after, keys[-1])
    newest = datetime(2026, 11, 24, 9, sequence, tzinfo=UTC)
    return Claim(IDENTITY, 7, sequence, -5, span, counts, file, OWN, statistics, newest, START)


def test_what_is_recorded_is_what_is_found_after_a_restart(folder: Path) -> None:
    spool = FolderSpool(folder / "spool")
    node = Node("node", Machine("serial", None), "/x.db")
    first, second = claim_of(spool, 1, [1, 2]), claim_of(spool, 2, [3], after=2)
    with Store.open(folder) as store:
        store.remember(node)
        store.stand(IDENTITY, BEGINNING)
        store.claim(first, after(first))
        store.claim(second, after(second))
    with Store.open(folder) as store:
        assert store.node() == node
        assert store.position(IDENTITY) == replace(POSITION, cursor=3, sequence=2)
        assert store.witnesses(IDENTITY) == after(second).witnesses
        assert store.pending(IDENTITY) == [first, second]
        assert store.spool_files() == [file_of(first).name, file_of(second).name]
        store.sending([first])
        store.commit([first])
    with Store.open(folder) as store:
        assert store.position(IDENTITY) == replace(POSITION, cursor=3, sequence=2, head=Head.after(first))
        assert store.pending(IDENTITY) == [second]


def test_a_claim_that_does_not_follow_the_position_is_not_recorded(folder: Path) -> None:
    spool = FolderSpool(folder / "spool")
    with Store.open(folder) as store:
        store.stand(IDENTITY, BEGINNING)
        first = claim_of(spool, 1, [1, 2])
        store.claim(first, after(first))
        for wrong in (claim_of(spool, 3, [3], after=2), claim_of(spool, 2, [3], after=1)):
            with pytest.raises(RuntimeError, match="does not follow"):
                store.claim(wrong, after(wrong))
        assert [c.sequence for c in store.pending(IDENTITY)] == [1]


def test_the_last_upload_is_written_for_people(folder: Path) -> None:
    spool = FolderSpool(folder / "spool")
    with Store.open(folder) as store:
        store.stand(IDENTITY, BEGINNING)
        claim = claim_of(spool, 1, [1, 2])
        store.claim(claim, after(claim))
        assert not (folder / "last_upload.json").exists()
        store.commit([claim])
    assert json.loads((folder / "last_upload.json").read_text()) == {
        "raw_readings": {
            "source_table": "readings",
            "node_id": "node",
            "last_uploaded_timestamp": "2026-11-24T09:01:00+00:00",
            "rows": 2,
            "claimed_at": "2026-11-24T08:00:00+00:00",
        }
    }


def test_nobody_else_can_look_into_the_state_directory(folder: Path) -> None:
    spool = FolderSpool(folder / "spool")
    with Store.open(folder) as store:
        store.stand(IDENTITY, BEGINNING)
        claim = claim_of(spool, 1, [1])
        store.claim(claim, after(claim))
        store.commit([claim])
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert found == {"state": 0o700, "spool": 0o700, "work": 0o700, "lock": 0o600, "state.db": 0o600,
                     "last_upload.json": 0o600, file_of(claim).name: 0o600}  # fmt: skip


@pytest.mark.parametrize("content", [b"x" * 5000, b"SQLite format 3\0" + b"\0" * 5000])
def test_damaged_state_stops(folder: Path, content: bytes) -> None:
    (folder / "state.db").write_bytes(content)
    with pytest.raises(StateError, match="is damaged"), Store.open(folder) as store:
        store.node()


def test_state_of_a_newer_program_stops(folder: Path) -> None:
    with Store.open(folder) as store:
        store._connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StateError, match="newer version"), Store.open(folder):
        pass


def test_one_uploader_at_a_time(folder: Path) -> None:
    words = rf"another uploader \(process {os.getpid()}\)"
    with state_folder.locked(folder), pytest.raises(TransientError, match=words), state_folder.locked(folder):
        pass
    with state_folder.locked(folder):
        pass


def test_a_state_directory_that_can_not_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't write the state directory"):
        state_folder.make(tmp_path / "file" / "state")


def test_only_where_the_default_is_missing_state_goes_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(state_folder, "DEFAULT", tmp_path / "default")
    assert state_folder.locate(tmp_path / "mine", told.append) == tmp_path / "mine"
    assert told == []
    assert state_folder.locate(None, told.append) == tmp_path / "state"
    assert len(told) == 1
    (tmp_path / "default").mkdir()
    assert state_folder.locate(None, told.append) == tmp_path / "default"


def test_a_spool_file_is_readable_by_others_and_its_statistics_are_true(tmp_path: Path) -> None:
    lineage = Lineage("node", -5, 7, 2, START)
    file, statistics = spooled(FolderSpool(tmp_path), [page_of([3, 4]), page_of([8])], OWN, lineage)
    path = tmp_path / file.name
    assert path.stat().st_size == file.size
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        columns = "id, epoch_us(time), value, _node_id, _incarnation, _batch_id, _row, epoch_us(_loaded_at)"
        rows = connection.execute(f"SELECT {columns} FROM read_parquet(?)", [str(path)]).fetchall()
    start = int(START.timestamp()) * 10**6
    batch = 7 << 24 | 2
    assert rows == [(k, start + k * 10**6, k / 2, "node", -5, batch, k, start) for k in (3, 4, 8)]
    assert statistics == {
        "id": (3, 8, 0),
        "time": ("2026-11-24T08:00:03.000000Z", "2026-11-24T08:00:08.000000Z", 0),
        "value": (1.5, 4.0, 0),
        "_node_id": ("node", "node", 0),
        "_incarnation": (-5, -5, 0),
        "_batch_id": (batch, batch, 0),
        "_row": (3, 8, 0),
        "_loaded_at": ("2026-11-24T08:00:00.000000Z", "2026-11-24T08:00:00.000000Z", 0),
    }


def test_the_same_pages_make_the_same_file(tmp_path: Path) -> None:
    lineage = Lineage("node", -5, 7, 2, START)
    spool = FolderSpool(tmp_path)
    one, two = (spooled(spool, [page_of([3, 4])], OWN, lineage)[0] for _ in range(2))
    assert one == two
    assert len(list(tmp_path.iterdir())) == 1


def test_an_error_between_pages_is_raised_as_it_is_and_leaves_no_finished_file(tmp_path: Path) -> None:
    def batches() -> Iterator[ArrowColumns]:
        yield page_of([1]).columns
        raise PermanentError("row 2 does not fit", hint="")

    with pytest.raises(PermanentError, match="row 2 does not fit"):
        FolderSpool(tmp_path).write(batches(), Work((), OWN), Lineage("node", -5, 7, 2, START))
    assert [f.suffix for f in tmp_path.iterdir()] == [".draft"]
    FolderSpool(tmp_path).keep_only([])
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_transient_and_told_without_a_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "0000000007-2.draft").symlink_to("/dev/full")
    with pytest.raises(TransientError, match="No space left on device"):
        FolderSpool(tmp_path).write(iter([page_of([1, 2]).columns]), Work((), OWN), Lineage("node", -5, 7, 2, START))
    assert capfd.readouterr().err == ""


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reached the disk, in order: `sync NAME` and `name NAME`; the real calls are made."""
    done: list[str] = []
    fsync, replaced = os.fsync, Path.replace

    def syncing(descriptor: int) -> None:
        done.append("sync " + Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def naming(path: Path, target: Path) -> Path:
        done.append(f"name {Path(target).name}")
        return replaced(path, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(Path, "replace", naming)
    return done


def test_a_spool_file_is_on_the_disk_before_it_has_its_name(folder: Path, disk: list[str]) -> None:
    claim = claim_of(FolderSpool(folder / "spool"), 1, [1])
    assert disk == ["sync 0000000007-1.draft", f"name {file_of(claim).name}", "sync spool"]


def test_a_loaded_claim_is_on_the_disk_before_it_is_proved(folder: Path, tmp_path: Path, disk: list[str]) -> None:
    spool = FolderSpool(folder / "spool")
    claim = claim_of(spool, 1, [1])
    destination = DeltaDestination(tmp_path / "lake" / "raw_readings", IDENTITY)
    destination.create(SCHEMA)
    destination.table()
    disk.clear()
    destination.stage(claim, spool.path(claim))
    name = file_of(claim).name
    assert disk == [f"sync .{name}.draft", f"name {name}", "sync raw_readings"]
    destination.load([claim])
    disk.clear()
    destination.prove([claim])
    assert set(disk) >= {"sync 00000000000000000000.json", "sync 00000000000000000001.json"}
    assert disk[-3:] == ["sync _delta_log", "sync raw_readings", "sync lake"]


@pytest.mark.parametrize(
    ("properties", "partitions", "words"),
    [
        ({"delta.columnMapping.mode": "name"}, [], "[Cc]olumn mapping"),
        ({"delta.constraints.warm": "value > 0"}, [], "constraints"),
        ({"delta.setTransactionRetentionDuration": "interval 1 days"}, [], "retention time for transactions"),
        ({}, ["id"], "partitions"),
    ],
)
def test_a_table_with_rules_that_we_could_break_is_refused(
    tmp_path: Path, properties: dict[str, str], partitions: list[str], words: str
) -> None:
    table = tmp_path / "raw_readings"
    DeltaDestination(table, IDENTITY).create(SCHEMA)
    log = table / "_delta_log" / "00000000000000000000.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "metaData" in action:
            action["metaData"]["configuration"] = properties
            action["metaData"]["partitionColumns"] = partitions
        if "protocol" in action and properties:
            action["protocol"] = {"minReaderVersion": 2, "minWriterVersion": 5}
    log.write_text("\n".join(map(json.dumps, actions)))
    with pytest.raises(PermanentError, match=words):
        DeltaDestination(table, IDENTITY).table()


def test_a_damaged_table_is_told_in_one_line(tmp_path: Path) -> None:
    log = tmp_path / "raw_readings" / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("junk")
    with pytest.raises(UploaderError) as raised:
        DeltaDestination(tmp_path / "raw_readings", IDENTITY).table()
    assert "\n" not in str(raised.value)


def test_a_delta_table_is_not_created_where_that_is_not_wanted(tmp_path: Path) -> None:
    destination = DeltaDestination(tmp_path / "t", IDENTITY, create_tables=False)
    with pytest.raises(ConfigError, match="there is no table"):
        destination.create(SCHEMA)
    assert not (tmp_path / "t").exists()
