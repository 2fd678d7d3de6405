# /// script
# requires-python = ">=3.11"
# dependencies = ["databricks-uploader[databricks,delta,steps]"]
#
# [tool.uv.sources]
# databricks-uploader = { path = ".", editable = true }
# ///
"""Uploads rows of a SQLite file: `uv run -s sqlite_to_databricks_uploader.py --help`."""

import sys

try:
    from databricks_uploader.cli import main
except ImportError:
    sys.exit(
        f"databricks-uploader is not installed for {sys.executable}: run `uv run -s {sys.argv[0]}`, or `make setup`"
    )

main()
