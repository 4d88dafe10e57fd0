"""Judging segmentations: separation, size, stability, what they are worth later, and strong simple baselines.

Every definition is a pure function of labels and numbers, with its formula and source beside it.
"""
