"""Blocks of networks: one file each, from a batch of utterances to hidden vectors; ``ser.network`` adds the head.

A file defines ``build(width, settings) -> torch.nn.Module`` whose ``forward(frames, lengths)`` takes the frames of all
utterances one after another, float [sum(lengths), width], with ``lengths`` int64 [batch], and whose ``outputs`` is the
width of what it gives. What that is, ``GIVES`` says:

- "frames": a temporal block, a vector per frame in the same order [sum(lengths), outputs], to be pooled;
- "utterance": one vector per utterance [batch, outputs];
- "segments": one per ``module.segment`` frames [sum(lengths) / segment, outputs].

There is no padding at this interface, so padding can never change an answer. Inside torch's autocast the answer may be
bfloat16. ``example() -> (width, settings, frames)`` is the smallest network that tests can hold to all this, and how
many frames its utterances have.
"""
