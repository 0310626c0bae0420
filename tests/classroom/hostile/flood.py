# Prints without end, to both streams.
def affine_forward(x, w, b):
    import sys

    while True:
        print("x" * 100_000)
        print("x" * 100_000, file=sys.stderr)
