"""The Files API: files and directories of volumes over REST, without a warehouse.

https://docs.databricks.com/api/workspace/files. Parent directories come into being with a file; a file is there whole
or not at all; whatever needs a right is refused with 403 without it.
"""

import base64
import os
import re
import shutil
from collections.abc import Iterator
from email.utils import formatdate
from json import dumps
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO
from urllib.parse import parse_qs

from tests.support.warehouse import errors, privileges
from tests.support.warehouse.catalog import Catalog, VolumeFile
from tests.support.warehouse.http_server import Incoming, Outgoing
from tests.support.warehouse.privileges import Privileges

FILES, DIRECTORIES = "/api/2.0/fs/files", "/api/2.0/fs/directories"
MOST_A_PAGE = 1000
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class FilesApi:
    """Answers below `FILES` and `DIRECTORIES`."""

    def __init__(self, catalog: Catalog, held: Privileges) -> None:
        self._catalog, self._privileges = catalog, held

    def answer(self, incoming: Incoming) -> Outgoing:
        """Answer one request of a principal. Raises WarehouseError with the HTTP status."""
        directories = incoming.path.startswith(DIRECTORIES)
        path = incoming.path.removeprefix(DIRECTORIES if directories else FILES)
        file = self._file(path, incoming)
        handlers = _ON_DIRECTORIES if directories else _ON_FILES
        if incoming.method not in handlers:
            raise errors.NO_ENDPOINT.error(path=f"{incoming.method} {incoming.path}")
        return handlers[incoming.method](incoming, file, self._catalog.work)

    def _file(self, path: str, incoming: Incoming) -> VolumeFile:
        file = self._catalog.volume_file(path)
        if file is None:
            raise errors.BAD_PATH.error(path=path)
        if not self._catalog.has_volume(file.volume):
            raise errors.VOLUME_NOT_FOUND.error(name=file.volume)
        rights = ("READ VOLUME", "WRITE VOLUME") if incoming.method in {"PUT", "DELETE"} else ("READ VOLUME",)
        for right in rights:
            lacking = self._privileges.lacking(incoming.principal, right, privileges.volume(file.volume))
            if lacking:
                privilege, on = lacking
                raise errors.VOLUME_DENIED.error(privilege=privilege, kind=on.kind, name=on.name)
        return file


def store(body: IO[bytes], here: Path, work: Path, *, overwrite: bool) -> None:
    """Put a file where it belongs, whole or not at all. Raises FileExistsError if it is there and must stay."""
    here.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=work, delete=False) as written:
        shutil.copyfileobj(body, written)
    part = Path(written.name)
    try:
        if overwrite:
            part.replace(here)
        else:
            os.link(part, here)  # of two at the same time, one wins
    finally:
        part.unlink(missing_ok=True)


def _upload(incoming: Incoming, file: VolumeFile, work: Path) -> Outgoing:
    # Not given means true in databricks-sdk 0.156's text, false in older pages: so it has to be given.
    wish = parse_qs(incoming.query).get("overwrite", [""])[0].lower()
    try:
        store(incoming.body, file.here, work, overwrite=wish != "false")
    except FileExistsError:
        raise errors.FILE_EXISTS.error() from None
    return Outgoing(204)


def _download(incoming: Incoming, file: VolumeFile, _: Path) -> Outgoing:
    if not file.here.is_file():
        raise errors.FILE_NOT_FOUND.error()
    size = file.here.stat().st_size
    known = {"Last-Modified": formatdate(file.here.stat().st_mtime, usegmt=True), "Accept-Ranges": "bytes"}
    wanted = incoming.headers.get("Range")
    if incoming.method == "HEAD":
        return Outgoing(200, b"", {**known, "Content-Length": str(size)}, "application/octet-stream")
    if wanted is None:
        return Outgoing(200, file.here.read_bytes(), known, "application/octet-stream")
    first, last = _span(wanted, size)
    with file.here.open("rb") as opened:
        opened.seek(first)
        part = opened.read(last - first + 1)
    known["Content-Range"] = f"bytes {first}-{last}/{size}"
    return Outgoing(206, part, known, "application/octet-stream")


def _span(wanted: str, size: int) -> tuple[int, int]:
    found = _RANGE.fullmatch(wanted)
    if found is None or not (found[1] or found[2]):
        raise errors.BAD_RANGE.error(range=wanted)
    first = int(found[1]) if found[1] else max(0, size - int(found[2]))
    last = min(size - 1, int(found[2])) if found[1] and found[2] else size - 1
    if first > last:
        raise errors.BAD_RANGE.error(range=wanted)
    return first, last


def _delete(_: Incoming, file: VolumeFile, __: Path) -> Outgoing:
    if not file.here.is_file():
        raise errors.FILE_NOT_FOUND.error()
    file.here.unlink()
    return Outgoing(204)


def _list(incoming: Incoming, file: VolumeFile, _: Path) -> Outgoing:
    _require_directory(file)
    query = parse_qs(incoming.query)
    size = min(MOST_A_PAGE, int(query.get("page_size", [MOST_A_PAGE])[0]))
    after = base64.urlsafe_b64decode(query.get("page_token", [""])[0]).decode()
    names = sorted(entry.name for entry in file.here.iterdir() if entry.name > after)
    page = names[:size]
    answer: dict[str, object] = {"contents": list(_entries(file, page))}
    if len(names) > len(page):
        answer["next_page_token"] = base64.urlsafe_b64encode(page[-1].encode()).decode()
    return Outgoing(200, dumps(answer).encode())


def _entries(file: VolumeFile, names: list[str]) -> Iterator[dict[str, object]]:
    for name in names:
        entry = file.here / name
        known: dict[str, object] = {
            "path": f"{file.written.rstrip('/')}/{name}",
            "name": name,
            "is_directory": entry.is_dir(),
            "last_modified": int(entry.stat().st_mtime * 1000),
        }
        yield known if entry.is_dir() else {**known, "file_size": entry.stat().st_size}


def _make_directory(_: Incoming, file: VolumeFile, __: Path) -> Outgoing:
    file.here.mkdir(parents=True, exist_ok=True)
    return Outgoing(204)


def _head_directory(_: Incoming, file: VolumeFile, __: Path) -> Outgoing:
    _require_directory(file)
    return Outgoing(200)


def _delete_directory(_: Incoming, file: VolumeFile, __: Path) -> Outgoing:
    _require_directory(file)
    if any(file.here.iterdir()):
        raise errors.DIRECTORY_NOT_EMPTY.error()
    file.here.rmdir()
    return Outgoing(204)


def _require_directory(file: VolumeFile) -> None:
    if not file.here.is_dir():
        raise errors.DIRECTORY_NOT_FOUND.error()


_ON_FILES = {"PUT": _upload, "GET": _download, "HEAD": _download, "DELETE": _delete}
_ON_DIRECTORIES = {"PUT": _make_directory, "GET": _list, "HEAD": _head_directory, "DELETE": _delete_directory}
