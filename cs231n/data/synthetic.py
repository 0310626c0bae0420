"""The stand-in for a machine that reaches no copy of CIFAR-10: ten generated classes of simple shapes.

Sixty thousand 32 x 32 colour images of our own making, with CIFAR-10's shapes and split, so that every
notebook runs. They are not CIFAR-10, and an accuracy measured on them says nothing about CIFAR-10.

The images are the same on every machine and under every numpy: the frozen RandomState stream draws whole
numbers, and everything after it is whole-number arithmetic.
"""

import itertools

import numpy as np

CLASSES = ("disc", "ring", "square", "diamond", "plus", "cross", "triangle", "rows", "columns", "checks")
DIGEST = "01c2514834223b72485e6f4580d95808083656830334b6c2a619a18c69fe7df0"
SEED = 231
BANNER = """\
+--------------------------------------------------------------------------+
|  STAND-IN DATA, NOT CIFAR-10                                             |
|  CIFAR-10 could not be found or fetched, so ten classes of generated     |
|  shapes take its place. Accuracies here say nothing about CIFAR-10.      |
|  To get the real images: python -m cs231n data, or datasets/README.md    |
+--------------------------------------------------------------------------+"""
ROWS = 10_000  # images of a block
CHUNK = 1000  # images drawn together
# The colour (red, green, blue) that a class leans to, so that a linear model sees something, though little.
TINT = 8 * np.array([*itertools.product((-1, 1), repeat=3), (-1, 0, 0), (1, 0, 0)], np.int32)


def _shape_mask(label: int, u: np.ndarray, v: np.ndarray, r: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Which pixels the shape covers. u, v (n, 32, 32): offsets from its centre in eighths of a pixel;
    r (n, 1, 1): its radius in the same unit, w: the width of its strokes."""
    a, b = np.abs(u), np.abs(v)
    far = np.maximum(a, b)
    masks = (
        lambda: u * u + v * v < r * r,
        lambda: (u * u + v * v < r * r) & (u * u + v * v > (r - w) ** 2),
        lambda: far * 8 < r * 7,
        lambda: a + b < r + r // 4,
        lambda: (np.minimum(a, b) * 2 < w) & (far < r),
        lambda: (np.abs(a - b) * 2 < w + w // 2) & (far < r),
        lambda: (v < r) & (2 * a - v < r),
        lambda: (v // w % 2 == 0) & (far < r),
        lambda: (u // w % 2 == 0) & (far < r),
        lambda: ((u // w + v // w) % 2 == 0) & (far < r),
    )
    return masks[label]()


def _draw_images(rng: np.random.RandomState, labels: np.ndarray) -> np.ndarray:
    """labels (n,) -> images (n, 3, 32, 32) uint8; place, size, slant, colours and light vary."""
    n = len(labels)

    def whole(low: int, high: int, *shape: int) -> np.ndarray:
        return rng.randint(low, high + 1, size=(n, *shape)).astype(np.int32)

    pixel = 8 * np.arange(32, dtype=np.int32) - 124  # the image's centre is 0
    u = pixel[None, None, :] - whole(-36, 36, 1, 1)
    v = pixel[None, :, None] - whole(-36, 36, 1, 1)
    u, v = u + v * whole(-3, 3, 1, 1) // 16, v + u * whole(-3, 3, 1, 1) // 16
    r, w = whole(64, 104, 1, 1), whole(24, 40, 1, 1)

    mask = np.empty((n, 32, 32), dtype=bool)
    for label in range(10):
        of = labels == label
        mask[of] = _shape_mask(label, u[of], v[of], r[of], w[of])

    # Usually the shape is the lighter part, not always: a linear model needs one sign, hidden layers do not.
    # The light varies more than the shape does, as in photographs, which is what batchnorm helps with.
    lighter = np.where(whole(0, 99, 1, 1, 1) < 75, 1, -1)
    step = lighter * whole(12, 72, 1, 1, 1) + whole(-24, 24, 3, 1, 1)  # shape minus ground, per channel
    ground = whole(20, 236, 1, 1, 1) - step // 2 + whole(-30, 30, 3, 1, 1) + TINT[labels, :, None, None]
    light = (pixel * whole(-240, 240, 1, 1) + pixel[:, None] * whole(-240, 240, 1, 1)) // 256
    noise = np.frombuffer(rng.bytes(n * 3072), np.uint8).reshape(n, 3, 32, 32).astype(np.int32)
    noise = noise * 56 // 256 - 28
    image = ground + light[:, None] + mask[:, None] * step + noise
    return np.clip(image, 0, 255).astype(np.uint8)


def make_blocks() -> np.ndarray:
    """Generate the data set.

    Returns:
        blocks (6, ROWS * 3073) uint8, as formats.py describes them, each with the ten labels equally often.
    """
    out = np.empty((6, ROWS * 3073), np.uint8)
    rng = np.random.RandomState(SEED)
    for block in out:
        images, labels = block[: ROWS * 3072].reshape(ROWS, 3, 32, 32), block[ROWS * 3072 :]
        labels[:] = rng.permutation(np.arange(ROWS) % 10)
        for i in range(0, ROWS, CHUNK):
            images[i : i + CHUNK] = _draw_images(rng, labels[i : i + CHUNK])
    return out
