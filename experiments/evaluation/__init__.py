"""What a command measures of images that are there, without training: distances of two sets, similar pairs."""
