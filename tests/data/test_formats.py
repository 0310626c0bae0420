"""Pickled batches, and pickles that are not to be trusted."""

import io
import os
import pickle
import subprocess

import numpy as np
import pytest

from cs231n.data.errors import DataError
from cs231n.data.formats import read_batch
from cs231n.data.safe_pickle import load_pickle
from tests.support.archive_bombs import HOSTILE_PICKLES, Call, bounded
from tests.support.tally import tried
from tests.support.tiny_cifar import python2_pickle, tiny_batches

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


# fmt: off
@pytest.mark.reliability
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("function, args", [
    (os.system, ["touch {marker}"]),
    (eval, ["open('{marker}', 'w')"]),
    (open, ["{marker}", "w"]),
    (subprocess.Popen, ["touch {marker}"]),
    (np.load, ["{marker}"]),
], ids=["os.system", "eval", "open", "Popen", "np.load"])
# fmt: on
def test_pickle_that_calls_is_refused_and_nothing_runs(tmp_path, function, args, protocol):
    marker = tmp_path / "it-ran"
    call = Call(function, *(arg.format(marker=marker) for arg in args))
    content = pickle.dumps({"data": call, "labels": [1]}, protocol)
    with tried("Data", "malicious archives and files"):
        with pytest.raises(DataError, match="batch_x: .*only numpy arrays.*do not use this file"):
            read_batch(io.BytesIO(content), "batch_x")
        assert not marker.exists()


@pytest.mark.reliability
@pytest.mark.parametrize("make", HOSTILE_PICKLES.values(), ids=HOSTILE_PICKLES)
def test_hostile_pickle_is_one_line(make):
    content = make()
    with tried("Data", "malicious archives and files"), bounded():
        with pytest.raises(DataError) as e:
            read_batch(io.BytesIO(content), "batch_x")
        assert len(str(e.value)) < 650


# fmt: off
@pytest.mark.parametrize("content", [
    b"\x80\x04\x8c\x05numpy\x8c\x0elib.format.open\x93.", b"cnumpy\nload\n.", b"cnumpy\ndtype\n(VO\ntR.",
    b"cnumpy.core.multiarray\nscalar\n.", b"c_codecs\nencode\n(Vabc\nVzip\ntR.",
], ids=["dotted-name", "numpy.load", "object-array", "scalar", "another-codec"])
# fmt: on
def test_name_that_no_batch_needs_is_refused(content):
    with pytest.raises(pickle.UnpicklingError):
        load_pickle(io.BytesIO(content))


def test_pickled_state_of_a_dtype_cannot_make_pixels_objects():
    pixels, labels = tiny_batches()[0]
    hostile = python2_pickle(pixels, labels).replace(b"\xffK\x00tb\x89", b"\xffK\x3ftb\x89")
    assert hostile != python2_pickle(pixels, labels)
    array = load_pickle(io.BytesIO(hostile))["data"]
    assert (array == pixels).all() and not array.dtype.hasobject


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["|u1", "<i8", ">i8", "<f4", "|b1"])
def test_array_of_plain_numbers_is_read_as_pickle_reads_it(protocol, order, kind):
    content = pickle.dumps({"x": np.asarray(np.random.randn(3, 5) * 100, kind, order=order)}, protocol)
    (read,), (expected,) = load_pickle(io.BytesIO(content)).values(), pickle.loads(content).values()
    assert type(read) is np.ndarray and read.dtype == expected.dtype and np.array_equal(read, expected)


PIXELS, LABELS = tiny_batches()[0]
PICKLES = {"python 2": python2_pickle(PIXELS, LABELS)}
for _protocol in PROTOCOLS:
    PICKLES[f"list-{_protocol}"] = pickle.dumps({"data": PIXELS, "labels": LABELS.tolist()}, _protocol)
    PICKLES[f"array-{_protocol}"] = pickle.dumps({"data": PIXELS, "labels": LABELS}, _protocol)


@pytest.mark.parametrize("content", PICKLES.values(), ids=PICKLES)
def test_batch_of_any_python_is_read(content):
    pixels, labels = read_batch(io.BytesIO(content), "batch")
    assert (pixels == PIXELS).all() and (labels == LABELS).all()
    assert pixels.dtype == labels.dtype == np.uint8


def test_text_of_python_2_is_str():
    assert load_pickle(io.BytesIO(PICKLES["python 2"]))["batch_label"] == "training batch 1 of 5"


def test_file_of_more_than_64_mib_is_refused():
    content = PICKLES["python 2"] + bytes((1 << 26) - len(PICKLES["python 2"]))
    assert (read_batch(io.BytesIO(content), "batch")[0] == PIXELS).all()
    with pytest.raises(DataError, match="batch: it has more than 67,108,864 bytes"):
        read_batch(io.BytesIO(content + b"."), "batch")


TWO = np.zeros((2, 3072), np.uint8)


# fmt: off
@pytest.mark.parametrize("batch, says", [
    ([], "is not a CIFAR-10 batch"),
    ({"data": TWO}, "labels"),
    ({"data": TWO.astype(float), "labels": [1, 2]}, "uint8"),
    ({"data": TWO[:, 1:], "labels": [1, 2]}, "3072"),
    ({"data": TWO, "labels": [1, 10]}, "0 to 9"),
    ({"data": TWO, "labels": [1]}, "2 labels"),
    ({"data": TWO, "labels": [1, [2]]}, "labels cannot be read"),
])
# fmt: on
def test_batch_of_the_wrong_form_is_described(batch, says):
    with pytest.raises(DataError, match=says):
        read_batch(io.BytesIO(pickle.dumps(batch)), "batch_x")


@pytest.mark.parametrize("end", [0, 1, 10, 100, 30_000, -1])
def test_cut_pickle_is_described(end):
    with pytest.raises(DataError, match="batch_x"):
        read_batch(io.BytesIO(PICKLES["python 2"][:end]), "batch_x")
