"""get_CIFAR10_data and the loaders of the course, on the real images where this user has them."""

import json
import os
import pickle
import shutil

import numpy as np
import pytest

from cs231n import data_utils
from cs231n.data import cache as data_cache
from cs231n.data import synthetic
from cs231n.data.formats import BATCHES
from cs231n.data.sources import CIFAR10, LocatedDataset, locate
from cs231n.data_utils import get_CIFAR10_data, load_CIFAR10, load_CIFAR_batch, load_pickle
from tests.support.python import run_python
from tests.support.tiny_cifar import python2_pickle, tiny_batches

PARTS = ("train", "val", "test")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder whose cs231n/ holds the real images or the stand-in: no test needs a network."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / "cs231n").mkdir()
    real = data_cache.cache_folder() / "cifar-10.npy"
    if not data_cache.has_digest(real, CIFAR10.digest):
        path = folder / "cs231n" / "stand-in.npy"
        data_cache.write_file(path, lambda f: np.save(f, synthetic.make_blocks()))
    elif os.name == "nt":
        shutil.copy(real, folder / "cs231n")
    else:
        os.symlink(real, folder / "cs231n" / real.name)
    return folder


@pytest.fixture(scope="module")
def plain(cache):
    """The cached bytes, taken apart the slow and obvious way: pixels (60000, 3072), labels (60000,)."""
    blocks = np.load(next((cache / "cs231n").glob("*.npy")), allow_pickle=False)
    return blocks[:, :30_720_000].reshape(-1, 3072), blocks[:, 30_720_000:].ravel()


@pytest.fixture(autouse=True)
def only_this_cache(cache, monkeypatch):
    monkeypatch.delenv("CS231N_CIFAR10", raising=False)
    monkeypatch.setenv("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr(data_utils, "locate", lambda: locate(datasets=cache / "none"))
    monkeypatch.setattr(data_utils, "_last_loaded", None)


def test_dict_has_the_six_keys_with_the_shapes_of_the_interface():
    data = get_CIFAR10_data()
    sizes = {"train": 49_000, "val": 1000, "test": 1000}
    assert {key: (value.shape, value.dtype) for key, value in data.items()} == {
        **{f"X_{part}": ((size, 3, 32, 32), np.float32) for part, size in sizes.items()},
        **{f"y_{part}": ((size,), np.int64) for part, size in sizes.items()},
    }
    assert all(value.flags.c_contiguous and value.flags.writeable for value in data.values())


def parts_of(data, plain, n_train, n_val, n_test):
    """(X, y, plain X, plain y) of each part; X as rows."""
    for name, start, n in zip(PARTS, (0, n_train, 50_000), (n_train, n_val, n_test)):
        part = slice(start, start + n)
        yield data[f"X_{name}"].reshape(n, 3072), data[f"y_{name}"], plain[0][part], plain[1][part]


# One rounding of the mean and one of the difference, of values up to 255: 2 * 255 * eps / 2.
@pytest.mark.parametrize("dtype, atol", [(np.float32, 3.1e-5), (np.float64, 6e-14)])
def test_images_labels_and_mean_are_those_of_the_plain_computation(plain, dtype, atol):
    sizes, mean = (9_990, 21, 7), plain[0][:9_990].mean(axis=0)
    for X, y, pixels, labels in parts_of(get_CIFAR10_data(*sizes, dtype=dtype), plain, *sizes):
        assert np.abs(X - (pixels - mean)).max() <= atol and (y == labels).all()


def test_without_the_mean_every_byte_comes_back(plain):
    sizes = (20_000, 30_000, 10_000)
    for X, y, pixels, labels in parts_of(get_CIFAR10_data(*sizes, subtract_mean=False), plain, *sizes):
        assert (X == pixels).all() and (y == labels).all()


@pytest.mark.parametrize("numbers", [(1, 0, 0), (0, 0, 5), (0, 3, 0), (np.int64(5), np.uint8(2), 1)])
def test_part_may_be_empty_and_numbers_any_integer(numbers):
    data = get_CIFAR10_data(*numbers, subtract_mean=False)
    assert [data[f"X_{part}"].shape for part in PARTS] == [(n, 3, 32, 32) for n in numbers]


# fmt: off
@pytest.mark.parametrize("arguments, says", [
    ({"num_training": -1}, "num_training must not be negative, got -1"),
    ({"num_validation": -1}, "num_validation must not be negative"),
    ({"num_test": 10_001}, "num_test is 10,001, there are 10,000"),
    ({"num_training": 49_001}, "is 50,001, there are 50,000 training images; try num_training=49000"),
    ({"num_training": 0}, "no mean image.*subtract_mean=False"),
    ({"num_training": 1e3}, "num_training must be a whole number, got 1000.0"),
    *[({"num_test": bad}, f"num_test must be a whole number, got {bad!r}") for bad in ("all", True, None)],
    ({"dtype": np.uint8}, "dtype must be floating point, got uint8"),
    ({"dtype": complex}, "dtype must be floating point, got complex128"),
])
# fmt: on
def test_argument_out_of_range_is_refused_before_anything_is_read(monkeypatch, arguments, says):
    monkeypatch.setattr(data_utils, "locate", lambda: pytest.fail("data was looked for"))
    with pytest.raises(ValueError, match=says):
        get_CIFAR10_data(**arguments)


# The course's own function takes 2.7 GB for this call, and depends on the working folder. Time: see
# benchmarks/loading.py.
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak is read from Linux's /proc")
def test_loading_takes_little_memory_from_any_folder(cache, tmp_path):
    code = """
import json, re
from cs231n.data_utils import get_CIFAR10_data
data = get_CIFAR10_data()
# Not getrusage: there a new process starts with the peak of the one that started it.
peak = 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
print(json.dumps([peak, len(data["X_train"])]))
"""
    process = run_python(code, cwd=tmp_path)
    peak, n = json.loads(process.stdout.splitlines()[-1])
    assert n == 49_000 and peak <= 800e6


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """A stand-in of zeros is all there is; -> what is registered to run when the program ends."""
    path = tmp_path / "stand-in.npy"
    np.save(path, np.zeros((6, 30_730_000), np.uint8))
    dataset = LocatedDataset(path, "0" * 64, False, "generated", "", [])
    monkeypatch.setattr(data_utils, "locate", lambda: dataset)
    monkeypatch.setattr(data_utils, "_banner_printed", False)
    exits = []
    monkeypatch.setattr(data_utils.atexit, "register", lambda call, *args, **_: exits.append((call, args)))
    return exits


def test_stand_in_is_announced_once_at_the_top_and_once_at_the_end(stand_in, capsys):
    for _ in range(2):
        get_CIFAR10_data(10, 10, 10)
    assert capsys.readouterr().err.count(synthetic.BANNER) == 1
    assert stand_in == [(data_utils.log, (synthetic.BANNER,))]
    assert data_utils.data_source() == "STAND-IN, not CIFAR-10 (generated, digest 00000000)"
    assert data_utils.class_names() == synthetic.CLASSES
    data_utils.warn_of_stand_in()
    assert capsys.readouterr().err.count(synthetic.BANNER) == 1


def test_loaded_images_keep_their_name_when_the_cache_changes(stand_in, monkeypatch, capsys):
    get_CIFAR10_data(10, 10, 10)
    now = data_utils.locate()._replace(real=True, source="another process")
    monkeypatch.setattr(data_utils, "locate", lambda: now)
    assert data_utils.data_source().startswith("STAND-IN") and data_utils.class_names() == synthetic.CLASSES
    capsys.readouterr()
    data_utils.warn_of_stand_in()
    assert synthetic.BANNER in capsys.readouterr().err
    get_CIFAR10_data(10, 10, 10)
    assert data_utils.data_source() == "CIFAR-10 (another process, digest 00000000)"
    assert data_utils.class_names() == data_utils.CLASSES
    data_utils.warn_of_stand_in()
    assert capsys.readouterr().err == ""


def test_load_cifar_batch_returns_images_with_channels_last(tmp_path):
    pixels, labels = tiny_batches(rows=30)[0]
    path = tmp_path / "data_batch_1"
    path.write_bytes(python2_pickle(pixels, labels))
    X, Y = load_CIFAR_batch(str(path))
    assert X.shape == (30, 32, 32, 3) and X.dtype == np.float32 and Y.dtype == np.int64
    assert (Y == labels).all()
    for n, row, column, channel in ((0, 0, 0, 0), (7, 1, 30, 2), (29, 31, 2, 1)):
        assert X[n, row, column, channel] == pixels[n, channel * 1024 + row * 32 + column]
    with open(path, "rb") as f:
        assert (load_pickle(f)["data"] == pixels).all()


def write_batch(folder, i, size):
    batch = {"data": np.full((size, 3072), i, np.uint8), "labels": [i] * size}
    (folder / BATCHES[i]).write_bytes(pickle.dumps(batch, 4))


def test_load_cifar10_puts_the_batches_in_order_and_refuses_one_of_another_size(tmp_path, monkeypatch):
    monkeypatch.setattr(data_utils, "TRAIN", 20)  # 4 images a batch
    monkeypatch.setattr(data_utils, "TEST", 4)
    for i in range(6):
        write_batch(tmp_path, i, 4)
    Xtr, Ytr, Xte, Yte = load_CIFAR10(str(tmp_path))
    assert Xtr.shape == (20, 32, 32, 3) and Xte.shape == (4, 32, 32, 3)
    assert (Ytr == np.repeat(range(5), 4)).all() and (Yte == 5).all()
    assert (Xtr == Ytr.reshape(-1, 1, 1, 1)).all() and (Xte == 5).all()
    write_batch(tmp_path, 1, 3)
    with pytest.raises(ValueError, match="data_batch_2 holds 3 images, not 4"):
        load_CIFAR10(tmp_path)


@pytest.mark.parametrize("call", [load_CIFAR10, load_CIFAR_batch])
def test_missing_file_is_named_with_what_to_try(call, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"get_CIFAR10_data\(\)") as e:
        call(tmp_path / "absent")
    assert str(tmp_path / "absent") in str(e.value)
