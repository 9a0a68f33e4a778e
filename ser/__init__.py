"""The map.

A command (``cli``, ``options``; ``paths``: every path and address in one spelling; ``interpreter``: how Python was
started; ``terminal``: streams, signals and exit statuses) names corpora and a study of ``experiments/``. ``gather``
finds and scans the corpora (``scan``, ``corpora/``, ``manifest``; ``sound_header``: what a file truly is;
``same_audio``: one recording under two names), and ``plan`` makes of both the trials, each a statement (``study``) with
an id: those of a grid, or of whole systems by several protocols, and those that a ``search`` adds as results come in.
It makes their ``splits`` (labels: ``labels``, ``votes``), and recipes for the ``store`` of features (``audio``,
``frontends/``, ``augment/``, ``recordings``).
``launch`` decides what is left to run and hires a ``crew``: a process (``talk``) with ``workers``, which know Ray and
hand ``units`` out in ``passes`` of Tune, and is started as often as needed (``profile``: shares of machines,
``sharing``: how well a card was filled, ``environment``, ``machine``: what of it may be used, ``scratch``: folders of
living processes, ``logs``: why something failed). A ``node`` says what it has and whether it is fit.
On a worker ``trial`` reads features and evens out classes (``balance/``), ``train`` runs the loop (``batches``,
``network``, ``models/``, ``weights``, ``objective``, ``checkpoint``); tiny networks are trained many at a time
(``joint``, ``together``), and what is no network is fitted (``fit``, ``functionals``). ``results`` scores what came out
(``metrics``, ``multilabel``, ``clips``, ``confusion``), and all of it goes into the trial's folder (``spool``,
``attempt``, ``sealed``; where nodes share no folder, ``replica`` keeps it beside the features, through ``far``), from
where ``courier`` takes it to MLflow (``track``; ``refusal``: what its errors mean; ``longtext``: texts in parts;
``moved``: files that came along with a moved folder). ``collect`` reads the runs back (``finished``), a file of
``reports/`` makes the paper's tables of them (``content``, ``figures``, ``published/``), and ``report`` writes them.
``export`` gives features to other programs, ``pages`` shows MLflow's. ``demo`` makes corpora that the ordinary loaders
read.

Imports go down only: cli → gather, launch, collect → crew → workers → passes → joint → trial, node, report → results,
reports, courier → track, train, fit, together, plan → objective, search, balance → checkpoint, batches, network, store,
splits, replica → spool, far, weights, corpora, frontends, augment, models → sealed, audio, metrics, votes, functionals,
manifest, study.
"""

from pathlib import Path

PACKAGE = Path(__file__).parent


def shipped(folder: str) -> Path:
    """Returns where the studies (``experiments``) or the profiles (``cluster``) lie that come with this package.

    An installed package holds them; in a checkout they lie beside it.
    """
    inside = PACKAGE / folder
    return inside if inside.is_dir() else PACKAGE.parent / folder
