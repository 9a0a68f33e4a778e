"""The map.

A command (``cli``, ``options``) names corpora and a study of ``experiments/``. ``gather`` finds and scans the corpora
(``scan``, ``corpora/``, ``manifest``), and ``plan`` makes of both the trials, each a statement (``study``) with an id,
their ``splits``, and recipes for the ``store`` of features (``audio``, ``frontends/``, ``augment/``, ``recordings``).
``launch`` hands trials to Ray.
On a worker ``trial`` reads features, ``train`` runs the loop (``batches``, ``network``, ``models/``, ``metrics``), and
``track`` keeps everything in MLflow. ``collect`` reads the runs back, and ``report`` makes the paper's tables of them
(``evidence``, ``tables``, ``figures``, ``published``). ``demo`` makes corpora that the ordinary loaders read.

Imports go down only: cli → gather, launch, collect → trial, report → track, train, plan → batches, network, store,
splits → corpora, frontends, augment, models → audio, metrics, labels, manifest, study, registry, errors.
"""
