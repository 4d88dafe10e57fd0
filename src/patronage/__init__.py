"""Customer segments that are judged by what they are worth later, survive retraining and can be scored anywhere."""

__version__ = "0.1.0"
