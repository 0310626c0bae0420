"""Arrays there and back without a change, and nothing a child can send does more than raise Malformed."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.sandbox import wire
from classroom.sandbox.wire import LENGTHS, Malformed, decode, encode, lengths


def there_and_back(value):
    message = encode(value)
    head, body = lengths(message[: LENGTHS.size])
    assert len(message) == LENGTHS.size + head + body
    return decode(message[LENGTHS.size : LENGTHS.size + head], message[LENGTHS.size + head :])


def message(head, body=b""):
    return decode(head if isinstance(head, bytes) else json.dumps(head).encode(), body)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.arange(6, dtype=np.float32)[::2],
        np.asfortranarray(np.ones((3, 4))),
        np.array(2.5),
        np.zeros((0, 3)),
        np.array([np.nan, np.inf, -0.0]),
        np.arange(3),
        np.array([True, False]),
        np.array([1 + 2j]),
        np.arange(3.0).astype(">f8"),
    ],
    ids=str,
)
def test_arrays_come_back_the_same(array):
    back = there_and_back({"a": [array]})["a"][0]
    assert back.shape == array.shape and back.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(back, array)
    assert np.array_equal(np.signbit(back.real), np.signbit(array.real)) and back.flags.writeable


PLAIN = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text()


@given(st.recursive(PLAIN, lambda part: st.lists(part) | st.dictionaries(st.text(), part), max_leaves=8))
def test_plain_values_come_back_the_same(value):
    assert there_and_back(value) == value


@given(st.binary(max_size=60), st.binary(max_size=30))
def test_noise_is_malformed_or_plain(head, body):
    try:
        message(head, body)
    except Malformed:
        pass


@pytest.mark.parametrize(
    "head",
    [
        {"array": ["<f8", 1 << 40]},
        {"array": ["<f8", -1]},
        {"array": ["<f8", 3.0]},
        {"array": ["|O", 1]},
        {"array": ["<U8", 1]},
        {"array": ["<f8", *[1] * 40]},
        {"array": "<f8"},
        {"array": [["<f8"], 1]},
        {"pickle": "x"},
        {"dict": []},
        {},
        {"array": ["<f8"], "dict": {}},
        {"array": ["<f8", 1 << 62, 1 << 62]},
        b"[" * 60_000,
        b"\xff",
        b"",
        b'{"array": ["<f8", 9' + b"9" * 5000 + b"]}",
    ],
    ids=lambda head: str(head)[:30],
)
def test_heads_that_lie_are_malformed(head):
    with pytest.raises(Malformed):
        message(head, bytes(4))


def test_no_bytes_are_read_twice():
    two = [{"array": ["<f8", 1]}, {"array": ["<f8", 1]}]
    with pytest.raises(Malformed):
        message(two, bytes(8))
    assert message(two, bytes(16)) == [np.zeros(1), np.zeros(1)]


def test_sizes_are_limited_before_anything_is_read_or_sent():
    with pytest.raises(Malformed, match="larger than any"):
        lengths(LENGTHS.pack(10, wire.LARGEST + 1))
    with pytest.raises(Malformed, match="larger than any"):
        lengths(LENGTHS.pack(wire.LARGEST_HEAD + 1, 0))
    with pytest.raises(Malformed, match="at most"):
        encode(np.zeros(wire.LARGEST // 8 + 1))


@pytest.mark.parametrize(
    "value",
    [np.array([object()]), np.array(["x"]), object(), {1, 2}, len],
    ids=["objects", "texts", "object", "set", "function"],
)
def test_what_is_no_number_is_not_sent(value):
    with pytest.raises(TypeError):
        encode({"a": value})
