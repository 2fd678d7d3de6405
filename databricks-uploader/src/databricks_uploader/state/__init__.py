"""What survives a restart: `state.db`, the lock, and `last_upload.json` for people."""
