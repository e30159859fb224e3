"""Updates and sums beside busy processes against their quiet times."""

SECONDS = 2.0
"""How long a row is timed if nothing else is asked for [s]."""
