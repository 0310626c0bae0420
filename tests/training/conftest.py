"""Runs that several files compare with."""

import pytest

from cs231n.training import run_folder
from tests.support.resume_child import all_of, no_picture, start


@pytest.fixture
def without_pictures(monkeypatch):
    monkeypatch.setattr(run_folder.Run, "finish", no_picture)


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """all_of an undisturbed run, as a function of the arguments of start."""
    known = {}

    def of(rng="Generator", **more):
        key = repr((rng, more))
        if key not in known:
            folder = tmp_path_factory.mktemp("whole") / "run"
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(run_folder.Run, "finish", no_picture)
                start(folder, rng, **more).train()
            known[key] = all_of(folder)
        return known[key]

    return of
