"""Profiles that say how many trials share a machine, and everything to get a Ray cluster up."""
