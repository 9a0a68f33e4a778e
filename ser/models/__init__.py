"""Temporal blocks: one file each, from a batch of utterances to a sequence of hidden vectors.

A file defines ``build(width, settings) -> torch.nn.Module`` whose ``forward(frames, lengths)`` takes the frames of all
utterances one after another, float [sum(lengths), width], and gives [sum(lengths), module.outputs] in the same order.
There is no padding at this interface, so padding can never change an answer. Inside torch's autocast the answer may be
bfloat16.
"""
