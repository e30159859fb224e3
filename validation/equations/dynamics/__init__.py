"""How the density moves along the field."""
