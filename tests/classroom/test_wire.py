"""Arrays there and back without a change, and nothing a child sends does more than raise one error."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.sandbox import wire
from classroom.sandbox.wire import LENGTHS, MalformedMessageError, decode, encode, parse_lengths


def there_and_back(value):
    message = encode(value)
    head, body = parse_lengths(message[: LENGTHS.size])
    assert len(message) == LENGTHS.size + head + body
    return decode(message[LENGTHS.size : LENGTHS.size + head], message[LENGTHS.size + head :])


# fmt: off
ARRAYS = [
    np.arange(6.0).reshape(2, 3), np.arange(6, dtype=np.float32)[::2], np.asfortranarray(np.ones((3, 4))),
    np.array(2.5), np.zeros((0, 3)), np.array([np.nan, np.inf, -0.0]), np.arange(3), np.array([True, False]),
    np.array([1 + 2j]), np.arange(3.0).astype(">f8"),
]
HEADS_THAT_LIE = [
    {"array": ["<f8", 1 << 40]}, {"array": ["|u1", -1]}, {"array": ["<f8", 3.0]}, {"array": ["|O", 1]},
    {"array": ["<U8", 1]}, {"array": ["<f8", *[1] * 40]}, {"array": "<f8"}, {"array": [["<f8"], 1]},
    {"pickle": "x"}, {"dict": []}, {}, {"array": ["<f8"], "dict": {}}, {"array": ["<f8", 1 << 62, 1 << 62]},
    [{"array": ["<i2", 1]}, {"array": ["<i2", 2]}],  # the first two bytes twice
    b"[" * 60_000, b"\xff", b"", b'{"array": ["<f8", 9' + b"9" * 5000 + b"]}",
]
# fmt: on


@pytest.mark.parametrize("array", ARRAYS, ids=str)
def test_arrays_come_back_the_same(array):
    _, back = there_and_back({"a": [np.ones(2), array]})["a"]
    assert back.shape == array.shape and back.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(back, array)
    assert np.array_equal(np.signbit(back.real), np.signbit(array.real)) and back.flags.writeable


PLAIN = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text()


@given(st.recursive(PLAIN, lambda part: st.lists(part) | st.dictionaries(st.text(), part), max_leaves=8))
def test_plain_values_come_back_the_same(value):
    assert there_and_back(value) == value


@given(st.binary(max_size=60), st.binary(max_size=30))
def test_noise_is_malformed_or_plain(head, body):
    with contextlib.suppress(MalformedMessageError):
        decode(head, body)


@pytest.mark.parametrize("head", HEADS_THAT_LIE, ids=lambda head: str(head)[:30])
def test_heads_that_lie_are_malformed(head):
    with pytest.raises(MalformedMessageError):
        decode(head if isinstance(head, bytes) else json.dumps(head).encode(), bytes(4))


def test_sizes_are_limited_before_anything_is_read_or_sent():
    for head, body in [(10, wire.MAX_BODY_BYTES + 1), (wire.MAX_HEAD_BYTES + 1, 0)]:
        with pytest.raises(MalformedMessageError, match="larger than any"):
            parse_lengths(LENGTHS.pack(head, body))
    with pytest.raises(MalformedMessageError, match="at most"):
        encode(np.zeros(wire.MAX_BODY_BYTES // 8 + 1))


@pytest.mark.parametrize("value", [np.array([object()]), np.array(["x"]), object(), {1, 2}, len])
def test_only_numbers_and_plain_values_are_sent(value):
    with pytest.raises(TypeError):
        encode({"a": value})
