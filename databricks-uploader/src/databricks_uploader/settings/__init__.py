"""What a person can set: one model, read from the command line and a YAML file."""
