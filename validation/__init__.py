"""Does it hold, and how fast is it? ``python -m validation``."""
