"""The map.

A command (``cli``, ``options``) names corpora and a study of ``experiments/``. ``gather`` finds and scans the corpora
(``scan``, ``corpora/``, ``manifest``), and ``plan`` makes of both the trials, each a statement (``study``) with an id,
their ``splits``, and recipes for the ``store`` of features (``audio``, ``frontends/``, ``augment/``, ``recordings``).
``launch`` decides what is left to run and hires a ``crew``: a process (``talk``) with ``workers``, which know Ray and
hand trials out in ``passes`` of Tune, and is started as often as needed (``profile``: shares of machines, ``sharing``:
how well a card was filled, ``environment``). A ``node`` says what it has and whether it is fit.
On a worker ``trial`` reads features, ``train`` runs the loop (``batches``, ``network``, ``models/``, ``metrics``,
``checkpoint``), and all it tells goes into the trial's folder (``spool``, ``attempt``, ``sealed``; where nodes share no
folder, ``replica`` keeps it beside the features, through ``far``), from where ``courier`` takes it to MLflow
(``track``). ``collect`` reads the runs back, and ``report`` makes the paper's tables of them (``evidence``,
``tables``, ``figures``, ``published``). ``demo`` makes corpora that the ordinary loaders read.

Imports go down only: cli → gather, launch, collect → crew → workers → passes → trial, node, report → courier → track,
train, plan → checkpoint, batches, network, store, splits, replica → spool, far, corpora, frontends, augment, models →
sealed, audio, metrics, labels, manifest, study, registry, errors.
"""
