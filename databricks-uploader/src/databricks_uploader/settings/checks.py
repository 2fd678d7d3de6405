"""What single values can't show: settings that are missing, or that don't go together."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from databricks_uploader.settings import authentication, hash_key
from databricks_uploader.settings.given import MISSING, Fault, Given
from databricks_uploader.settings.model import NAMES
from databricks_uploader.settings.plans import step_setting_faults
from databricks_uploader.settings.yaml_file import KNOWN_NAMES

_WORKSPACE = ("databricks_host", "databricks_http_path", "databricks_database")


def together(values: Mapping[str, Any], given: Mapping[str, Given]) -> Iterator[Fault]:
    """Yield the faults of settings that don't go together."""
    yield from step_setting_faults(values, given)
    yield from hash_key.faults(values, given)
    if any(name in given for name in _WORKSPACE) or values["destination"] == "databricks":
        for name in _WORKSPACE:
            if name not in given:
                yield Fault(MISSING, f"no {name} ({NAMES[name].flags[0]}): {NAMES[name].help}")
        yield from authentication.faults(values, given)
    if values["destination"] is None and "delta_path" in given and any(name in given for name in _WORKSPACE):
        yield Fault(
            given["delta_path"].place,
            "delta_path is given, and a workspace too: say where rows go (destination: delta or databricks), or take "
            "one of them out",
        )


def destination(values: Mapping[str, Any], given: Mapping[str, Given]) -> Literal["delta", "databricks"]:
    """Return where rows go."""
    chosen: Literal["delta", "databricks"] | None = values["destination"]
    return chosen or ("databricks" if any(name in given for name in _WORKSPACE) else "delta")


def missing(values: Mapping[str, Any], given: Mapping[str, Given], config: Path | None) -> Iterator[Fault]:
    """Yield what uploading can't do without."""
    if "sqlite" not in given:
        here = [name for name in KNOWN_NAMES if config is None and Path(name).is_file()]
        file = f"; settings of {here[0]} count only with --config {here[0]}" if here else ""
        yield Fault(MISSING, f"no source: set --sqlite FILE (sqlite in YAML){file}")
    if "delta_path" not in given and destination(values, given) == "delta":
        yield Fault(
            MISSING,
            "no destination: set --delta-path DIR (delta_path in YAML) for Delta tables in a local folder, or "
            "databricks_host, databricks_http_path and databricks_database for a workspace",
        )
