"""What one pipeline read, kept for the others that are to read the same rows in the same round.

It lies in an unnamed file: nobody else can open that, and it is gone with the process.
"""

import io
import pickle
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

from arro3.core import Array, DataType, RecordBatch
from arro3.io import read_ipc_stream, write_ipc_stream

from databricks_uploader import durable
from databricks_uploader.model.columns import Pair
from databricks_uploader.model.source import SourceTable
from databricks_uploader.model.table import ROW
from databricks_uploader.model.times import Unit
from databricks_uploader.source.rows import Rows, SortedOut
from databricks_uploader.source.signature import Signature, signature

_IN_MEMORY = 1 << 20
WIDE = 8 << 20
"""A page of more bytes, a row or two, is read by each pipeline: it is not to be in memory twice."""
_KEEPING = "can't keep rows that several pipelines are to load"
NO_ROWS = RecordBatch.from_pydict({ROW.name: Array([], DataType.int64())})


@dataclass(frozen=True)
class Asked:
    """What a pipeline asks a source for: the rows after a rowid or from a time on, and some columns of them."""

    table: SourceTable
    after: int | datetime | None
    told_by: tuple[str, ...]
    in_order_of: str | None
    pairs: tuple[Pair, ...]
    units: Mapping[str, Unit]

    @classmethod
    def of(cls, rows: Rows, after: int | datetime | None) -> "Asked":
        """Return what is asked for, before anything is read: units are decided meanwhile."""
        return cls(rows.table, after, tuple(rows.told_by), rows.in_order_of, tuple(rows.pairs), dict(rows.units))

    def serves(self, other: "Asked") -> bool:
        """Tell whether what is read for this is what the other asks for, or has it among other columns."""
        same = (self.table, self.after, self.told_by) == (other.table, other.after, other.told_by)
        alike = all(self.units.get(name) == other.units.get(name) for name in other.names)
        return same and self.in_order_of == other.in_order_of and alike and set(other.pairs) <= set(self.pairs)

    @property
    def names(self) -> set[str]:
        """The source columns by whose values a row may have to be set apart."""
        ordering = set() if self.in_order_of is None else {self.in_order_of}
        return {pair.source.name for pair in self.pairs} | ordering

    def of_these(self, columns: RecordBatch, rest: SortedOut) -> SortedOut:
        """Return rows as if no other columns had been read."""
        targets = [pair.target.name for pair in self.pairs]
        return SortedOut(
            columns.select([*targets, ROW.name]),
            {name: count for name, count in rest.altered.items() if name in targets},
            {
                index: replace(row, reasons={n: why for n, why in row.reasons.items() if n in self.names})
                for index, row in rest.quarantined.items()
            },
        )


@dataclass
class Recording:
    """Pages that were read for what one pipeline asked."""

    asked: Asked
    _file: IO[bytes]
    pages: list[Any] = field(default_factory=list)
    """Each without its rows."""
    _rows: list[tuple[SortedOut, int, int]] = field(default_factory=list)
    """Of each page what was altered and set apart, and where in the file its rows begin, and what tells them."""
    _ended: bool = False

    def add(self, page: object, sorted_out: SortedOut, told: object = None) -> None:
        """Keep a page, without the rows in it; none after one that can't be."""
        self._ended = self._ended or sorted_out.size > WIDE
        if self._ended:
            return
        columns = io.BytesIO()  # at an error of the file arro3 would panic
        write_ipc_stream(sorted_out.columns, columns)
        with durable.translated(_KEEPING):
            begins = self._file.seek(0, io.SEEK_END)
            self._file.write(columns.getvalue())
            telling = self._file.tell()
            pickle.dump(told, self._file)
        self.pages.append(page)
        self._rows.append((replace(sorted_out, columns=NO_ROWS), begins, telling))

    def played(self, asked: Asked) -> Iterator[tuple[Any, SortedOut, Any]]:
        """Yield each page, its rows with the columns asked for, and what tells them."""
        for page, (rest, begins, telling) in zip(self.pages, self._rows, strict=True):
            with durable.translated(_KEEPING):
                self._file.seek(begins)
                written = io.BytesIO(self._file.read(telling - begins))
                told = pickle.load(self._file)  # noqa: S301  (written by us just now)
            yield page, asked.of_these(next(iter(read_ipc_stream(written))), rest), told

    def holds_all_rows(self, asked: Asked) -> bool:
        """Tell whether no row was set apart for nothing but columns which are not asked for."""
        apart = (row for rest, _, _ in self._rows for row in rest.quarantined.values())
        return all(not asked.names.isdisjoint(row.reasons) for row in apart)


@dataclass
class Tape:
    """What was read in this round. `folder` takes it where that is more than a little."""

    folder: Path
    _recordings: list[Recording] = field(default_factory=list, init=False)
    _files: ExitStack = field(default_factory=ExitStack, init=False)
    _signatures: dict[Path, Signature | None] = field(default_factory=dict, init=False)

    def recording(self, asked: Asked) -> Recording:
        """Begin to record what is read."""
        with durable.translated(_KEEPING):
            self.folder.mkdir(mode=0o700, exist_ok=True)
        file = self._files.enter_context(SpooledTemporaryFile(_IN_MEMORY, dir=str(self.folder)))  # noqa: SIM115  (is one)
        self._recordings.append(Recording(asked, cast("IO[bytes]", file)))
        return self._recordings[-1]

    def kept(self, asked: Asked) -> Recording | None:
        """Return what was recorded of what is asked for; None where there is nothing, or not all of its rows."""
        found = (one for one in self._recordings if one.pages and one.asked.serves(asked))
        return next((one for one in found if one.holds_all_rows(asked)), None)

    def signature(self, path: Path) -> Signature | None:
        """Return what the database's files were before anything of this round was read."""
        if path not in self._signatures:
            self._signatures[path] = signature(path)
        return self._signatures[path]

    def forget(self) -> None:
        """Forget all, at the end of a round."""
        self._signatures.clear()
        self._recordings.clear()
        self._files.close()
