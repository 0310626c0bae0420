import pytest


@pytest.fixture
def path(tmp_path):
    """Of a results file."""
    return tmp_path / "r.jsonl"


@pytest.fixture
def log(tmp_path):
    """A folder for what Logged writes."""
    (tmp_path / "log").mkdir()
    return tmp_path / "log"
