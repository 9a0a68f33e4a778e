"""One short declarative file per paper; each defines ``study``."""
