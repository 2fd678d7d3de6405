"""The key of `hash`: from a variable or a file of its own."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from databricks_uploader.model.secret import Secret
from databricks_uploader.model.steps import needs_key
from databricks_uploader.settings.given import Fault, Given
from databricks_uploader.settings.kinds import HASH_KEY, MisfitError
from databricks_uploader.settings.plans import plans

KEY, FILE = "sanitize_hash_key", "sanitize_hash_key_file"


def hash_key(values: Mapping[str, Any]) -> Secret | None:
    """Return the key; None where none is given. Raises MisfitError where the file holds none."""
    key: Secret | None = values[KEY]
    return key if values[FILE] is None else _of_file(values[FILE])


def _of_file(path: Path) -> Secret:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise MisfitError(f"names no file: {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise MisfitError(f"can't be read: {path}") from error
    try:
        found: Secret = HASH_KEY.parse(text)
    except ValueError as error:
        raise MisfitError(f"holds no key of {HASH_KEY.expected}: {path}") from error
    return found


def faults(values: Mapping[str, Any], given: Mapping[str, Given]) -> Iterator[Fault]:
    """Yield what is wrong with the key, and the rules that need one where there is none."""
    if values[KEY] is not None and values[FILE] is not None:
        yield Fault(given[FILE].place, f"{FILE} and {KEY} ({given[KEY].place.label}) mean the same: set one of them")
        return
    try:
        key = hash_key(values)
    except MisfitError as misfit:
        yield Fault(given[FILE].place, f"{FILE} {misfit}")
        return
    if key is not None or KEY in given:
        return
    for plan in plans(values):
        for step, (setting, inside) in zip(plan.steps, plan.written, strict=False):
            if needs_key([step]):
                where = given[setting].place_of(inside)
                yield Fault(
                    where, f"hash needs a key: set {KEY.upper()} or {FILE.upper()}, as from `openssl rand -hex 32`"
                )
