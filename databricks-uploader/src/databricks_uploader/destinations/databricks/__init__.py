"""Tables of a Databricks workspace, loaded from a volume or by MERGE."""
