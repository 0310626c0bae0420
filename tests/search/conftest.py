import pytest


@pytest.fixture
def path(tmp_path):
    """Of a storage."""
    return tmp_path / "s.journal"


@pytest.fixture
def log(tmp_path):
    """A folder for what trials write."""
    (tmp_path / "log").mkdir()
    return tmp_path / "log"
