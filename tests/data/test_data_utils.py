import inspect
import json
import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest

from cs231n import data_utils
from cs231n.commands import data as data_command
from cs231n.data import cache as data_cache
from cs231n.data import synthetic
from cs231n.data.cache import content_digest
from cs231n.data.sources import CIFAR10, locate
from cs231n.data_utils import get_CIFAR10_data, load_CIFAR10, load_CIFAR_batch, load_pickle
from tests.support.tiny_cifar import python2_pickle

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache with the real images where this user has them, else the stand-in: no test needs a network."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / "cs231n").mkdir()
    real = data_cache.cache_folder() / "cifar-10.npy"
    if data_cache.has_digest(real, CIFAR10.digest):
        os.symlink(real, folder / "cs231n" / real.name) if os.name != "nt" else shutil.copy(
            real, folder / "cs231n"
        )
    else:
        data_cache.write_file(
            folder / "cs231n" / "stand-in.npy", lambda f: np.save(f, synthetic.make_blocks())
        )
    return folder


@pytest.fixture(scope="module")
def plain(cache):
    """The kept bytes, taken apart the slow and obvious way: pixels (60000, 3072), labels (60000,)."""
    blocks = np.load(next((cache / "cs231n").glob("*.npy")), allow_pickle=False)
    return (
        np.concatenate([b[:30_720_000].reshape(10_000, 3072) for b in blocks]),
        np.concatenate([b[30_720_000:] for b in blocks]),
    )


@pytest.fixture(autouse=True)
def only_this_cache(cache, monkeypatch):
    monkeypatch.delenv("CS231N_CIFAR10", raising=False)
    monkeypatch.setenv("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", str(cache))
    for module in (data_utils, data_command):
        monkeypatch.setattr(module, "locate", lambda **kwargs: locate(datasets=cache / "none"))
    monkeypatch.setattr(data_utils, "_last_loaded", None)


def in_a_new_process(code, cache, cwd):
    names = {"XDG_CACHE_HOME": str(cache), "LOCALAPPDATA": str(cache), "PYTHONPATH": CHECKOUT}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        env={**os.environ, **names},
    )


def test_the_dict_has_the_six_keys_with_the_shapes_of_the_interface():
    data = get_CIFAR10_data()
    assert {key: value.shape for key, value in data.items()} == {
        "X_train": (49000, 3, 32, 32),
        "y_train": (49000,),
        "X_val": (1000, 3, 32, 32),
        "y_val": (1000,),
        "X_test": (1000, 3, 32, 32),
        "y_test": (1000,),
    }
    assert all(value.dtype == (np.float32 if key[0] == "X" else np.int64) for key, value in data.items())
    assert all(value.flags.c_contiguous and value.flags.writeable for value in data.values())


# One rounding of the mean and one of the difference, of values up to 255: 2 * 255 * eps / 2.
@pytest.mark.parametrize("dtype, atol", [(np.float32, 3.1e-5), (np.float64, 6e-14)])
def test_images_labels_and_mean_are_those_of_the_plain_computation(plain, dtype, atol):
    pixels, labels = plain
    data = get_CIFAR10_data(num_training=9_990, num_validation=21, num_test=7, dtype=dtype)
    mean = pixels[:9_990].mean(axis=0)
    parts = {"train": slice(0, 9_990), "val": slice(9_990, 10_011), "test": slice(50_000, 50_007)}
    for name, part in parts.items():
        expected = (pixels[part] - mean).reshape(-1, 3, 32, 32)
        assert np.abs(data[f"X_{name}"] - expected).max() <= atol
        assert (data[f"y_{name}"] == labels[part]).all()


def test_without_the_mean_every_byte_comes_back(plain):
    data = get_CIFAR10_data(20_000, 30_000, 10_000, subtract_mean=False)
    parts = {"train": slice(0, 20_000), "val": slice(20_000, 50_000), "test": slice(50_000, 60_000)}
    for name, part in parts.items():
        assert (data[f"X_{name}"].reshape(-1, 3072) == plain[0][part]).all()
        assert (data[f"y_{name}"] == plain[1][part]).all()


@pytest.mark.parametrize("numbers", [(1, 0, 0), (0, 0, 5), (0, 3, 0)])
def test_a_part_may_be_empty(numbers):
    data = get_CIFAR10_data(*numbers, subtract_mean=False)
    assert tuple(len(data[f"X_{name}"]) for name in ("train", "val", "test")) == numbers
    assert data["X_val"].shape[1:] == (3, 32, 32)


@pytest.mark.parametrize(
    "arguments, says",
    [
        ({"num_training": -1}, "num_training must not be negative, got -1"),
        ({"num_validation": -1}, "num_validation must not be negative"),
        ({"num_test": 10_001}, "num_test is 10,001, there are 10,000"),
        ({"num_training": 49_001}, "is 50,001, there are 50,000 training images; try num_training=49000"),
        ({"num_training": 0}, "no mean image.*subtract_mean=False"),
        ({"num_training": 1e3}, "num_training must be a whole number, got 1000.0"),
        ({"num_test": "all"}, "num_test must be a whole number, got 'all'"),
        ({"num_test": True}, "num_test must be a whole number, got True"),
        ({"num_test": None}, "num_test must be a whole number, got None"),
        ({"dtype": np.uint8}, "dtype must be floating point, got uint8"),
        ({"dtype": complex}, "dtype must be floating point, got complex128"),
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_read(monkeypatch, arguments, says):
    monkeypatch.setattr(data_utils, "locate", lambda: pytest.fail("data was looked for"))
    with pytest.raises(ValueError, match=says):
        get_CIFAR10_data(**arguments)


def test_numpy_integers_count_as_whole_numbers():
    assert len(get_CIFAR10_data(np.int64(5), np.uint8(2), np.int32(1))["X_train"]) == 5


# The course's own function takes 12.9 s and 2.7 GB for this call, and depends on the working folder.
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak is read from Linux's /proc")
def test_loading_takes_little_memory_and_time_from_any_folder(cache, tmp_path):
    code = """
import json, re, time
from cs231n.data_utils import get_CIFAR10_data
began = time.process_time()
data = get_CIFAR10_data()
# Not getrusage: there a new process starts with the peak of the one that started it.
peak = 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
print(json.dumps([peak, time.process_time() - began, len(data["X_train"])]))
"""
    done = in_a_new_process(code, cache, tmp_path)
    peak, seconds, n = json.loads(done.stdout.splitlines()[-1])
    assert n == 49_000 and peak <= 800e6
    assert seconds <= 1.5  # of processor time: what other processes do at the same time does not count


def test_the_package_imports_nothing_but_numpy_and_the_standard_library(cache, tmp_path):
    code = (
        "import sys, cs231n.data_utils, cs231n.data.synthetic;"
        "print([m for m in ('PIL', 'tqdm', 'matplotlib', 'six', 'past', 'future') if m in sys.modules])"
    )
    assert in_a_new_process(code, cache, tmp_path).stdout == "[]\n"


def test_a_variable_that_names_nothing_is_one_clear_line(monkeypatch, cache, capsys):
    monkeypatch.setenv("CS231N_CIFAR10", "nowhere")
    assert data_command.main() == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("data: CS231N_CIFAR10=nowhere: no such file or folder")
    assert len(err.splitlines()) == 1


def test_the_command_prints_source_size_and_digest(cache, capsys):
    assert data_command.main() == 0
    out = capsys.readouterr().out
    found = locate(datasets=cache / "none")
    assert found.digest in out and f"{found.path.stat().st_size:,} bytes" in out and str(found.path) in out
    assert ("all as published" in out) == found.real


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    blocks = np.zeros((6, 30_730_000), np.uint8)
    monkeypatch.setattr(synthetic, "DIGEST", content_digest(blocks))
    monkeypatch.setenv("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "cs231n").mkdir()
    data_cache.write_file(tmp_path / "cs231n" / "stand-in.npy", lambda f: np.save(f, blocks))
    monkeypatch.setattr(data_utils, "_banner_printed", False)
    ends = []
    monkeypatch.setattr(data_utils.atexit, "register", lambda call, *args, **_: ends.append((call, args)))
    return ends


def test_the_stand_in_is_announced_once_at_the_top_and_once_at_the_end(stand_in, capsys):
    get_CIFAR10_data(10, 10, 10)
    get_CIFAR10_data(10, 10, 10)
    assert capsys.readouterr().err.count(synthetic.BANNER) == 1
    assert stand_in == [(print, (synthetic.BANNER,))]
    assert data_utils.data_source().startswith("STAND-IN, not CIFAR-10")
    assert data_utils.class_names() == synthetic.CLASSES
    data_utils.warn_of_stand_in()
    assert capsys.readouterr().err.count(synthetic.BANNER) == 1


def test_images_that_were_loaded_keep_their_name_when_the_cache_changes(stand_in, monkeypatch, capsys):
    get_CIFAR10_data(10, 10, 10)
    now = data_utils.locate()._replace(real=True, source="another process")
    monkeypatch.setattr(data_utils, "locate", lambda **_: now)
    assert data_utils.data_source().startswith("STAND-IN") and data_utils.class_names() == synthetic.CLASSES
    capsys.readouterr()
    data_utils.warn_of_stand_in()
    assert synthetic.BANNER in capsys.readouterr().err
    get_CIFAR10_data(10, 10, 10)
    assert data_utils.data_source().startswith("CIFAR-10 (another process")


def test_the_command_does_not_call_the_stand_in_cifar(stand_in, capsys):
    assert data_command.main() == 0
    out, err = capsys.readouterr()
    assert "the stand-in, not CIFAR-10" in out and "NOT CIFAR-10" in out and synthetic.BANNER in err


def test_the_real_images_are_named_with_their_source(cache):
    if not locate(datasets=cache / "none").real:
        pytest.skip("CIFAR-10 is not in the cache; python -m cs231n data fetches it")
    assert data_utils.data_source().startswith("CIFAR-10 (")
    assert data_utils.data_source().endswith("digest fd18b93b)")
    assert data_utils.class_names() == data_utils.CLASSES


def test_load_cifar_batch_returns_images_with_channels_last(tmp_path):
    rng = np.random.RandomState(0)
    pixels, labels = rng.randint(0, 256, (30, 3072)).astype(np.uint8), rng.randint(0, 10, 30)
    (tmp_path / "data_batch_1").write_bytes(python2_pickle(pixels, labels))
    X, Y = load_CIFAR_batch(str(tmp_path / "data_batch_1"))
    assert X.shape == (30, 32, 32, 3) and X.dtype == np.float32 and Y.dtype == np.int64
    assert (Y == labels).all()
    for n, row, column, channel in ((0, 0, 0, 0), (7, 1, 30, 2), (29, 31, 2, 1)):
        assert X[n, row, column, channel] == pixels[n, channel * 1024 + row * 32 + column]
    with open(tmp_path / "data_batch_1", "rb") as f:
        assert (load_pickle(f)["data"] == pixels).all()


def test_load_cifar10_puts_the_batches_in_order(tmp_path):
    for i in range(6):
        pixels = np.zeros((10_000, 3072), np.uint8)
        pixels[:, 0] = 10 * i + np.arange(10_000) % 7
        name = f"data_batch_{i + 1}" if i < 5 else "test_batch"
        (tmp_path / name).write_bytes(pickle.dumps({"data": pixels, "labels": [i] * 10_000}, 4))
    Xtr, Ytr, Xte, Yte = load_CIFAR10(str(tmp_path))
    assert Xtr.shape == (50_000, 32, 32, 3) and Xte.shape == (10_000, 32, 32, 3)
    assert (Ytr == np.repeat(range(5), 10_000)).all() and (Yte == 5).all()
    assert (Xtr[:, 0, 0, 0] == np.repeat(range(0, 50, 10), 10_000) + np.arange(50_000) % 10_000 % 7).all()


@pytest.mark.parametrize("call", [load_CIFAR10, load_CIFAR_batch])
def test_missing_files_are_named_with_what_to_try(call, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"get_CIFAR10_data\(\)") as e:
        call(tmp_path / "absent")
    assert str(tmp_path / "absent") in str(e.value)


def test_signatures_are_those_of_the_interface():
    parameters = inspect.signature(get_CIFAR10_data).parameters
    assert [(p.name, p.default) for p in parameters.values()] == [
        ("num_training", 49000),
        ("num_validation", 1000),
        ("num_test", 1000),
        ("subtract_mean", True),
        ("dtype", np.float32),
    ]
    assert list(inspect.signature(load_CIFAR10).parameters) == ["ROOT"]
    assert list(inspect.signature(load_CIFAR_batch).parameters) == ["filename"]
    assert list(inspect.signature(load_pickle).parameters) == ["f"]
