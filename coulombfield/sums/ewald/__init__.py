"""Small softening: a smooth part by Fourier transforms, and a part of short range by cells of neighbours."""
