"""Writers at full speed, with and without us reading beside them: `make bench-writers`.

Four processes commit one row at a time, with a busy timeout of 100 ms and `synchronous = OFF` (nothing but locks
slows them). The reader reads the whole table over and over: in pages as the uploader does, or, for comparison, all
of it in one transaction.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import writers


def main() -> None:
    """Print what the writers met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=4_000, help="of each writer")
    parser.add_argument("--rows", type=int, default=300_000, help="that are there before")
    parser.add_argument("--writers", type=int, default=4)
    arguments = parser.parse_args()
    print(f"{'journal':<8} {'reader':<24} {'commits/s':>9} {'SQLITE_BUSY':>11} {'largest log, MB':>15}")
    for mode in ("WAL", "DELETE"):
        for reader, name in ((None, "none"), ("pages", "pages, as we read"), ("span", "one transaction")):
            with TemporaryDirectory() as folder:
                database = Path(folder) / "a.db"
                writers.make(database, mode, arguments.rows)
                met = writers.write(database, arguments.writers, arguments.commits, reader)
            speed, log = met.commits / met.seconds, met.largest_log / 1e6
            print(f"{mode:<8} {name:<24} {speed:9,.0f} {met.busy:11,} {log:15.1f}", flush=True)


if __name__ == "__main__":
    main()
