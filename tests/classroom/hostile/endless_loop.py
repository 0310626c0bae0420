# Never comes back.
def affine_forward(x, w, b):
    while True:
        pass
