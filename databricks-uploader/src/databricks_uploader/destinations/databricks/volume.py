"""Files of a volume by the Files API, which needs no compute: https://docs.databricks.com/api/workspace/files."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote, urlencode

import urllib3

from databricks_uploader.destinations.databricks.authentication import Credential, bearer
from databricks_uploader.destinations.databricks.errors import error_of
from databricks_uploader.destinations.databricks.https import Https, Reply
from databricks_uploader.errors import StateError, TransientError

_FILES, _DIRECTORIES = "/api/2.0/fs/files", "/api/2.0/fs/directories"
_OK, _GONE, _EXISTS = 200, 404, 409
_REFUSED = {401, 403}
_PIECE = 1 << 20


@dataclass(frozen=True)
class StoredFile:
    """A file as a listing has it: its name, its bytes, and when it was put there, in ms since 1970."""

    name: str
    size: int
    modified_ms: int


class Volume:
    """The files of one folder below a volume, `/Volumes/catalog/schema/volume/…`."""

    def __init__(self, https: Https, credential: Credential, folder: str) -> None:
        self.folder = folder
        self._https, self._credential = https, credential

    def put(self, name: str, file: Path) -> bool:
        """Stream a file there. False where one of that name is there already, which is left as it is."""
        with file.open("rb") as body:
            reply = self._send("PUT", f"{self._path(name)}?overwrite=false", body)
        if reply.status == _EXISTS:
            return False
        self._check(reply, f"can't put {self.folder}/{name}")
        return True

    def same(self, name: str, file: Path) -> bool:
        """Tell whether the file there has the bytes of the local one."""
        with file.open("rb") as local, self._body(name) as pieces:
            return all(local.read(len(piece)) == piece for piece in pieces) and not local.read(1)

    def names(self) -> list[StoredFile]:
        """Return the files of the folder; none where there is no folder."""
        found: list[StoredFile] = []
        query = ""
        while True:
            reply = self._send("GET", f"{_DIRECTORIES}{quote(self.folder)}{query}")
            if reply.status == _GONE:  # a volume that isn't there is told by the first put
                return found
            self._check(reply, f"can't list {self.folder}")
            files, token = self._listed(reply)
            found += files
            if not token:
                return found
            query = "?" + urlencode({"page_token": token})

    def _listed(self, reply: Reply) -> tuple[list[StoredFile], str]:
        try:
            listed = json.loads(reply.body)
            files = [
                StoredFile(entry["name"], int(entry["file_size"]), int(entry["last_modified"]))
                for entry in listed.get("contents", [])
                if not entry.get("is_directory")
            ]
            return files, listed.get("next_page_token", "")
        except (ValueError, KeyError, AttributeError) as error:
            raise TransientError(
                f"what came for the list of {self.folder} is none", hint="is a proxy in between? It is tried again"
            ) from error

    def remove(self, name: str) -> None:
        """Delete a file; one that is gone already is fine."""
        reply = self._send("DELETE", self._path(name))
        if reply.status != _GONE:
            self._check(reply, f"can't remove {self.folder}/{name}")

    def close(self) -> None:
        """Close what is open."""
        self._https.close()

    def _path(self, name: str) -> str:
        return f"{_FILES}{quote(f'{self.folder}/{name}')}"

    @contextmanager
    def _body(self, name: str) -> Iterator[Iterator[bytes]]:
        with self._https.answer("GET", self._path(name), bearer(self._credential)) as answer:
            if answer.status != _OK:
                raise error_of(f"can't read {self.folder}/{name}", "", answer.status)
            try:
                yield answer.stream(_PIECE)
            except urllib3.exceptions.HTTPError as error:
                raise TransientError(f"reading {self.folder}/{name} broke off", hint="it is tried again") from error

    def _send(self, method: str, path: str, body: IO[bytes] | None = None) -> Reply:
        reply = self._sent(method, path, body)
        if reply.status in _REFUSED and self._credential.refused():
            return self._sent(method, path, body)
        return reply

    def _sent(self, method: str, path: str, body: IO[bytes] | None) -> Reply:
        headers = bearer(self._credential)
        if body is not None:
            length = body.seek(0, os.SEEK_END)
            headers |= {"Content-Type": "application/octet-stream", "Content-Length": str(length)}
            body.seek(0)
        return self._https.send(method, path, headers, body)

    def _check(self, reply: Reply, doing: str) -> None:
        if not _OK <= reply.status < 300:  # noqa: PLR2004  (success is 2xx)
            raise error_of(doing, reply.text, reply.status)


def other_bytes(folder: str, name: str) -> StateError:
    """Return the error for a file that is there under a claim's name, and is not the claim's."""
    return StateError(
        f"{folder}/{name} is there with other bytes: another uploader runs with a copy of this state",
        hint="stop it; then run `databricks-uploader state rebuild` here, or `state reset` and give this node another "
        "--node-id",
    )
