"""Layers of trained networks that only run forwards: batch-norms are folded into weights, and nothing is kept."""
