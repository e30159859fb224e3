"""What the paper defines: densities, fields, energies, losses, training."""
