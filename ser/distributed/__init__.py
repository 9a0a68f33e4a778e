"""Grids on one machine or a Ray cluster. Only ``driver`` and ``tune`` import Ray."""
