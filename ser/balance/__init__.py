"""Ways to give every class of the training subset as many items as the largest: one file each.

A file states ``VERSION``, ``Settings``, ``COPIES`` and ``balanced(train, copies, classes, settings, seed, device) ->
Items``. The items of ``train`` come first,
in their order and not copied; then as many more of each smaller class as it lacks. A class without any item stays
without: there is nothing to make it from. Where no class lacks any, ``train`` itself is returned. A name stands for
its features: an item that comes twice bears its name twice, and one that is made a name that nothing else has.

``copies`` are augmented recordings of the training subset, for a file with ``COPIES = True``; for others None.
Everything random comes from ``seed``, integers; no state outside is touched. ``device`` is where to compute; features
stay where those of ``train`` are. ``example() -> settings`` is small, for tests. All raise BadInput for labels that
are not one class per item.
"""
