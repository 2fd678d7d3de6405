"""Steps carried out: a typed Parquet file in, the claim's Parquet file out, by DuckDB."""
