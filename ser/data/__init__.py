"""Corpora on disk as tables of utterances: scanning, reading audio, labels and votes, splits; users' weight files."""
