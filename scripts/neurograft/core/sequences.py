"""The MR sequences that the workflow knows, and their BIDS suffixes."""

SEQUENCES = ("t1", "t1c", "t2", "flair")
SUFFIXES = {"t1": "T1w", "t1c": "T1w", "t2": "T2w", "flair": "FLAIR"}
