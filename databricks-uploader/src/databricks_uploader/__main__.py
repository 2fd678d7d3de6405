"""`python -m databricks_uploader` and the console script."""

from databricks_uploader.cli import main

if __name__ == "__main__":
    main()
