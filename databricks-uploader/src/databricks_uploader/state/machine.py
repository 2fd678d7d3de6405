"""What the operating system tells of the machine."""

import hashlib
import os
import socket
from pathlib import Path

from databricks_uploader.model.node import Machine

CONTAINER_VARIABLE = "DATABRICKS_UPLOADER_IN_CONTAINER"
"""Set by our image: a container's name and machine id are not those of the node."""
_SERIALS = ("/sys/class/dmi/id/product_uuid", "/sys/firmware/devicetree/base/serial-number")
_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")


def this_machine() -> Machine:
    """Return this machine's serial (as a digest: it is nobody's business) and id, as far as they can be read."""
    if os.environ.get(CONTAINER_VARIABLE):
        return Machine(None, None)
    serial = _first_line(_SERIALS)
    return Machine(serial and hashlib.sha256(serial.encode()).hexdigest()[:32], _first_line(_MACHINE_IDS))


def host_name() -> str:
    """Return the host's name without its domain."""
    return socket.gethostname().split(".")[0]


def _first_line(paths: tuple[str, ...]) -> str | None:
    for path in paths:
        try:
            line = Path(path).read_text(encoding="utf-8", errors="replace").strip("\0 \n")
        except OSError:
            continue
        if line:
            return line
    return None
