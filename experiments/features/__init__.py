"""Networks whose features measure images, one a file: ``features = "NAME"`` is the file NAME.py and its ``load``."""
