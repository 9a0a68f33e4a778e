"""The shared feature store: recipes and entries on disk, its remote copy, and export to HDF5."""
