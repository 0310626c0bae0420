import pytest

from cs231n.common.terminal import format_duration


@pytest.mark.parametrize(
    "seconds, text", [(2.34, "2.3 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (754, "12 min 34 s")]
)
def test_durations_are_written_as_a_person_says_them(seconds, text):
    assert format_duration(seconds) == text
