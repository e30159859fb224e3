"""Networks with explicit gradients: layers, losses and optimizers on flat parameter vectors."""
