"""A NumPy course kit about one hard thing: the gradient of batch normalization."""
