"""When a warehouse sleeps: it is paid for from the statement that wakes it until its auto-stop after the last one."""

AUTO_STOP_S = 600.0
"""The shortest auto-stop that the workspace's pages offer for a warehouse; ten minutes is what most have."""


def sleepless(interval_s: float, min_rows: int | None, max_delay_s: float | None) -> str | None:
    """Return what to tell whoever's warehouse would never sleep while rows come steadily; None where it would."""
    pause_s = max(interval_s, max_delay_s or 0.0)
    if pause_s >= AUTO_STOP_S or (min_rows is not None and max_delay_s is None):
        return None
    return (
        f"loading every {pause_s:g} s keeps a warehouse awake that stops after {AUTO_STOP_S / 60:.0f} minutes: while "
        "rows come steadily it never sleeps. With max_delay: 1h it would, most of the time; min_rows: 100000 loads "
        "earlier when that many wait"
    )
