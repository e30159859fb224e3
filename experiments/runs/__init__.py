"""Runs: the loop that all experiments share, their folder, checkpoints and report. Nothing here knows a GAN."""
