"""The map. A command (``cli``, ``options``) names corpora and a study of ``experiments/``; ``gather`` finds and scans
them (``scan``, ``corpora/``, ``manifest``) and ``plan`` turns both into trials, each a statement (``study``) with an id,
and into recipes for the feature ``store`` (``audio``, ``frontends/``, ``augment/``). ``launch`` hands trials to Ray;
on a worker ``trial`` reads features, ``train`` runs the loop (``batches``, ``network``, ``models/``, ``metrics``) and
``track`` keeps everything in MLflow. ``collect`` reads the runs back and ``report`` makes the paper's tables
(``evidence``, ``tables``, ``figures``, ``published``). ``demo`` makes corpora that the ordinary loaders read.

Imports go down only: cli → gather, launch, collect → trial, report → track, train, plan → batches, network, store,
splits → corpora, frontends, augment, models → audio, metrics, labels, manifest, study, registry, errors.
"""
