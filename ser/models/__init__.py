"""Blocks of networks, and models that are fitted: one file each, from a batch of utterances to what is told of them.

What a file gives, ``GIVES`` says. One of a network defines ``build(width, settings) -> torch.nn.Module`` whose
``forward(frames, lengths)`` takes the frames of all utterances one after another, float [sum(lengths), width], with
``lengths`` int64 [batch], and whose ``outputs`` is the width of what it gives; ``ser.training.network`` adds the head:

- "frames": a temporal block, a vector per frame in the same order [sum(lengths), outputs], to be pooled;
- "utterance": one vector per utterance [batch, outputs];
- "segments": one per ``module.segment`` frames [sum(lengths) / segment, outputs].

There is no padding at this interface, so padding can never change an answer. Inside torch's autocast the answer may be
bfloat16.

- "classes": a model that ``ser.training.fit`` fits, as scikit-learn has them: ``build(settings, seed, device)`` gives
  an estimator with ``fit(x, y)``, ``classes_``, and ``decision_function(x)`` or ``predict_proba(x)`` [utterances,
  classes]. ``TAKES`` "vectors": x is [utterances, width], functionals (the setting ``statistics``) of the frames;
  "frames": a list of [frames, width]. With ``TASKS`` the methods also take ``tasks``, a number of each utterance for
  its corpus and sex.

``example() -> (width, settings, frames)`` is the smallest model that tests can hold to all this, and how many frames
its utterances have.
"""
