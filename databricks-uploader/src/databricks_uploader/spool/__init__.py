"""The spool: finished Parquet files, waiting to be loaded."""
