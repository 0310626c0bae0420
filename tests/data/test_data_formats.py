"""Batches as they are pickled, and pickles that are not to be trusted."""

import gzip
import io
import os
import pickle
import subprocess
import tarfile

import numpy as np
import pytest

from cs231n.data.errors import DataError
from cs231n.data.formats import read_batch, read_batches_archive
from cs231n.data.safe_pickle import load_pickle
from tests.support.archive_bombs import header
from tests.support.tiny_cifar import python2_pickle, tiny_batches


class Malicious:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "evil",
    [
        Malicious(os.system, "touch {marker}"),
        Malicious(eval, "open('{marker}', 'w')"),
        Malicious(open, "{marker}", "w"),
        Malicious(subprocess.Popen, "touch {marker}"),
        Malicious(np.load, "{marker}"),
    ],
    ids=["os.system", "eval", "open", "Popen", "np.load"],
)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_calls_anything_is_refused_and_nothing_is_run(tmp_path, evil, protocol):
    marker = tmp_path / "it-ran"
    function, args = evil.call
    evil = Malicious(function, *(a.format(marker=marker) for a in args))
    content = pickle.dumps({"data": evil, "labels": [1]}, protocol)
    with pytest.raises(pickle.UnpicklingError, match="only numpy arrays"):
        load_pickle(io.BytesIO(content))
    with pytest.raises(DataError, match="batch_x: .*do not use this file"):
        read_batch(io.BytesIO(content), "batch_x")
    assert not marker.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x8c\x05numpy\x8c\x0elib.format.open\x93.",
        b"cnumpy\nload\n.",
        b"cnumpy.core.multiarray\nscalar\n.",
        b"c_codecs\nencode\n(Vabc\nVzip\ntR.",
        b"cnumpy\ndtype\n(VO\ntR.",
    ],
    ids=["dotted-name", "numpy.load", "scalar", "another-codec", "object-array"],
)
def test_other_names_that_a_pickle_might_ask_for_are_refused(content):
    with pytest.raises(pickle.UnpicklingError):
        load_pickle(io.BytesIO(content))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_batches_written_by_any_python_are_read(protocol):
    pixels, labels = tiny_batches()[0]
    for content in (
        python2_pickle(pixels, labels),
        pickle.dumps({"data": pixels, "labels": labels.tolist()}, protocol),
        pickle.dumps({"data": pixels, "labels": labels}, protocol),
    ):
        read_pixels, read_labels = read_batch(io.BytesIO(content), "batch")
        assert (read_pixels == pixels).all() and (read_labels == labels).all()
        assert read_pixels.dtype == read_labels.dtype == np.uint8
    assert load_pickle(io.BytesIO(python2_pickle(pixels, labels)))["batch_label"] == "training batch 1 of 5"


@pytest.mark.parametrize(
    "batch, says",
    [
        ([], "no CIFAR-10 batch"),
        ({"data": np.zeros((2, 3072), np.uint8)}, "labels"),
        ({"data": np.zeros((2, 3072)), "labels": [1, 2]}, "uint8"),
        ({"data": np.zeros((2, 3071), np.uint8), "labels": [1, 2]}, "3072"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [1, 10]}, "0 to 9"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [1]}, "2 labels"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [1, [2]]}, "labels cannot be read"),
    ],
)
def test_a_batch_of_the_wrong_form_is_described(batch, says):
    with pytest.raises(DataError, match=says):
        read_batch(io.BytesIO(pickle.dumps(batch)), "batch_x")


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: header("x") * 101, "it has more than 100 members"),
        (lambda: header("x", (8 << 30) - 512, tarfile.XHDTYPE), "not at most 67,108,864"),
    ],
    ids=["members", "a-part"],
)
def test_what_a_tar_has_too_much_of_is_named(tmp_path, make, says):
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(make()))
    with pytest.raises(DataError, match=f"x.tar.gz cannot be read .*{says}"):
        read_batches_archive(path, 1)


def test_a_cut_pickle_is_described():
    content = python2_pickle(*tiny_batches()[0])
    for end in (0, 1, 10, 100, len(content) // 2, len(content) - 1):
        with pytest.raises(DataError, match="batch_x"):
            read_batch(io.BytesIO(content[:end]), "batch_x")
