"""The compiled loops where numba's cache of compiled code does not work: a run goes on without it."""

import builtins
import errno
import os
import shutil
import warnings

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="needs numba: pip install '.[fast]'")

from numba.core import caching, config  # noqa: E402

from cs231n import kernels  # noqa: E402
from tests.support.python import run_python  # noqa: E402


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache of its own, in a process that has not met a fault yet."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(kernels, "_cache_works", True)
    return tmp_path / "cache"


def doubled():
    """The loop of a new process: nothing is compiled yet."""

    def double(x, out):
        for i in range(x.size):
            out[i] = 2 * x[i]

    return kernels.compiled(double)


def use(loop, dtype=np.float64):
    x = np.arange(3, dtype=dtype)
    loop(x, out := np.empty_like(x))
    assert np.array_equal(out, 2 * x)


def use_under_fault(loops, words):
    """Every loop works in both dtypes, and one warning says why it takes longer."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for dtype in (np.float32, np.float64):
            for loop in loops:
                use(loop, dtype)
    (warning,) = caught
    message = str(warning.message)
    assert words in message and "NUMBA_CACHE_DIR" in message and "\n" not in message


def fail(error):
    def failing(*args, **kwargs):
        raise OSError(error, os.strerror(error))

    return failing


def open_that_fails(mode, error):
    """open, but in that mode only this error."""
    opened = builtins.open
    return lambda path, m="r", *a, **k: fail(error)() if m == mode else opened(path, m, *a, **k)


def test_another_process_takes_the_code_from_the_cache(cache):
    use(doubled())
    files = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb*")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(caching.IndexDataCacheFile, "save", fail(errno.EIO))
        use(doubled())  # it has nothing to write
    assert len(files) == 2 and files == {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb*")}


@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT", "EROFS", "EIO"])
@pytest.mark.parametrize("step", ["open", "replace", "folder"])
def test_what_cannot_be_written(step, error, monkeypatch):
    number = getattr(errno, error)
    if step == "open":
        monkeypatch.setattr(caching, "open", open_that_fails("wb", number), raising=False)
    elif step == "replace":
        monkeypatch.setattr(os, "replace", fail(number))
    else:  # for every folder that numba tries: that of the user, the code's, the home
        monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", fail(number))
    words = "no locator available" if step == "folder" else os.strerror(number)
    use_under_fault([doubled(), doubled()], words)


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "text": lambda path: path.write_bytes(b"<html>"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_a_damaged_file(damage, kind, cache):
    use(doubled())
    (path,) = cache.rglob(f"*.{kind}")
    DAMAGES[damage](path)
    use_under_fault([doubled(), doubled()], f"{cache}")


def test_a_file_that_may_not_be_read(monkeypatch):
    use(doubled())
    monkeypatch.setattr(caching, "open", open_that_fails("rb", errno.EACCES), raising=False)
    use_under_fault([doubled()], "Permission denied")


def test_a_folder_that_disappears_and_cannot_be_made_again(cache):
    loop = doubled()
    use(loop, np.int64)
    shutil.rmtree(cache)
    cache.write_text("a file in its place")
    use_under_fault([loop, doubled()], f"{cache}")


def test_an_error_of_the_loop_itself_is_not_taken_for_one_of_the_cache():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(numba.TypingError):
            doubled()("text", "text")


@pytest.mark.skipif(os.name == "nt", reason="needs setrlimit")
def test_a_net_trains_on_a_full_disk_without_a_home(tmp_path):
    """With a real limit, under which not even the index fits."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "from tests.support import make_blobs\n"
        "from cs231n import fast_layers\n"
        "from cs231n.classifiers.fc_net import FullyConnectedNet\n"
        "from cs231n.solver import Solver\n"
        "data, D, C = make_blobs()\n"
        "net = FullyConnectedNet([5], D, C, normalization='batchnorm', layers=fast_layers)\n"
        "Solver(net, data, update_rule='adam', num_epochs=2, verbose=False).train()"
    )
    done = run_python(code, env={"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "HOME": None})
    assert done.returncode == 0 and done.stderr.count("Warning") == 1, done.stderr
    assert "File too large" in done.stderr and "NUMBA_CACHE_DIR" in done.stderr
