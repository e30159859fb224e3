"""Players of a GAN: networks by name, each with its optimizer and its schedule."""
