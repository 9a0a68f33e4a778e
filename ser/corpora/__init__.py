"""One file per corpus: how its folder looks, what its file names and label files say, and a made miniature of it.

A loader is a module with

- ``TITLE``, ``FILES`` (how its recordings are named), ``FOLDER`` (what the folder to give holds);
- ``ABOUT``, languages, kind, licence, reference and where to get it (``ser.data.about``); None where it is a format;
- ``VERSION``, which goes up when the same folder gives other utterances, and the frozen dataclass ``Settings``;
- ``expected(settings)``: utterances per label of the full release, and ``EXPECTED_SPEAKERS``; ``{}`` and 0 if unknown;
- where known, for ``ser.data.release``, which tells the release from parts of it and from other recordings under its
  names: ``names(settings)``, the uids of the release without the corpus, an empty set where they cannot be listed;
  ``speakers(settings)``, utterances per speaker, 0 if unknown; ``MEAN_SECONDS``, between which an utterance of it lasts
  on average; ``DAMAGED``, uids of recordings that no copy, or not every one, has in a usable form;
- ``release_loader(root)`` of a format: the loader that knows the release which is read there, "" where none does;
- ``scale(settings)``, where utterances have valence, arousal or dominance: the lowest and highest rating;
- ``CORPORA``, of a format for which published corpora are listed: name → ``title``, ``utterances`` and ``about``,
  which is None where a loader of its own reads the corpus;
- ``find(folder)``: the corpus at or below ``folder``, or None;
- ``load(root, settings, corpus)``: its utterances, no audio opened; ``corpus`` is what the corpus is called, where that
  is not the name of the loader;
- ``miniature(root, seed)``: writes a small copy of the real layout, known defects and all, with made audio;
- ``SUFFIXES``, where recordings do not end in .wav or .flac: a corpus of videos;
- ``NAME`` where recordings are known by their names: a pattern that is searched in "/<folder>/<folder>/<folder>/<file
  without extension>", begins with a slash and ends with ``\\Z``; it is found in "/<uid without the corpus>", too;
- ``ZIPPED`` where the corpus is distributed as zip files: the pattern of the recordings in them.

Where a recording's name says everything, ``ser.corpora._named`` makes ``find``, ``load`` and the rest of the pattern.
Looking for files goes by ``ser.data.folders``, which walks a folder once for all loaders. What lies below the root and
is neither used nor refused by ``load`` is listed by the scan (``ser.data.unused``).
"""
