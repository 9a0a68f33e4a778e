"""The machine and the process a command runs in: its paths, streams and signals, processors, folders and settings."""
