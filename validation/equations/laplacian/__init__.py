"""The Laplacian of the Plummer kernel: values, signs, slopes, bounds, the limit."""
