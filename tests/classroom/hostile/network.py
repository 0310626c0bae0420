# Asks someone else; the test listens at this port of the machine and hears nothing.
PORT = None


def affine_forward(x, w, b):
    import socket

    with socket.create_connection(("127.0.0.1", PORT), 2) as other:
        other.sendall(b"what is x w + b?")
    return x, None
