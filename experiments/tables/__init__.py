"""Tables and figures of the paper that compare many runs, one file each: ``python -m experiments table NAME``."""
