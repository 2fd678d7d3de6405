"""What single values can't show: settings that are missing, or that don't go together."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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
    if any(name in given for name in _WORKSPACE):
        for name in _WORKSPACE:
            if name not in given:
                yield Fault(MISSING, f"no {name} ({NAMES[name].flags[0]}): {NAMES[name].help}")
        yield from authentication.faults(values, given)


def missing(given: Mapping[str, Given], config: Path | None) -> Iterator[Fault]:
    """Yield what uploading can't do without."""
    if "sqlite" not in given:
        here = [name for name in KNOWN_NAMES if config is None and Path(name).is_file()]
        file = f"; settings of {here[0]} count only with --config {here[0]}" if here else ""
        yield Fault(MISSING, f"no source: set --sqlite FILE (sqlite in YAML){file}")
    if "delta_path" not in given and not any(name in given for name in _WORKSPACE):
        yield Fault(
            MISSING,
            "no destination: set --delta-path DIR (delta_path in YAML) for Delta tables in a local folder; "
            "a Databricks workspace (databricks_host, …) is not available in this version",
        )
