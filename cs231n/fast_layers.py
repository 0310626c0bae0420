"""The layers again, with the same names and contracts, for speed: numba where it is installed, else NumPy in place.

    net = FullyConnectedNet([100] * 5, normalization="batchnorm", layers=fast_layers)

Time here goes into memory, not arithmetic: layers.batchnorm_backward reads or writes an (N, D) array 31 times,
layers.batchnorm_backward_alt 14 times, and the kernels below 5 times, which is the least that will do.
"""
