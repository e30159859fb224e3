"""Estimates from minibatches, and what a discriminator makes of them."""
