"""The program as its users run it: a process."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from databricks_uploader.settings.model import VARIABLES

PROGRAM = Path(sys.executable).parent / "databricks-uploader"
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", re.MULTILINE)


@dataclass(frozen=True)
class Result:
    """What a finished run left."""

    exit_code: int
    output: str
    errors: str
    """Standard error, without the times of log lines."""


def run(
    *arguments: str | Path,
    cwd: Path | None = None,
    prefix: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> Result:
    """Run the program to its end."""
    command = [*prefix, str(PROGRAM), *(str(a) for a in arguments)]
    variables = {**plain_environment(), **(environment or {})}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, check=False, env=variables)
    return Result(done.returncode, done.stdout, _TIME.sub("", done.stderr))


@contextmanager
def running(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run the program meanwhile; killed if it is still there at the end."""
    command = [str(PROGRAM), *(str(a) for a in arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=plain_environment()) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: "subprocess.Popen[str]", words: str) -> list[str]:
    """Read the process's log until a line has these words; return all lines read."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"{words!r} never came: {''.join(lines)}")


def wait_until_open(process: "subprocess.Popen[str]", path: Path) -> None:
    """Return when the process has opened the file."""
    while process.poll() is None:
        for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                if descriptor.readlink() == path:
                    return
    raise AssertionError(f"it ended with {process.returncode} before {path} was open")


def plain_environment() -> Mapping[str, str]:
    """Return this process's environment without any setting; bytecode is kept, as it is on a node."""
    without = {*VARIABLES, "PYTHONDONTWRITEBYTECODE"}
    return {name: value for name, value in os.environ.items() if name not in without}
