"""Studies of particles: samples that move along the exact field, where a GAN would have networks.

Each module here is an experiment as ``gan_training`` is one: an update is a step of a flow, so that metrics,
checkpoints, a resume that goes on bit for bit, and the report are those of all experiments.
"""
