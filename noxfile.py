"""The tests at both ends of what requirements.txt and pyproject.toml allow, each in its own environment.

    pip install "nox[uv]"
    nox --list          what there is; nox alone runs all of it
    nox -s faults       the rows of docs/reliability.md, every case and not a sample
    nox -s ends         the oldest Python with the oldest packages, then the newest ones

A Python that is not on the PATH is fetched by uv, or left out.
"""

from pathlib import Path

import nox

nox.options.default_venv_backend = "uv"

PYTEST = ["python", "-m", "pytest", "-m"]
OLDEST = ["--resolution", "lowest-direct"]
NEWEST = ["--upgrade"]
NOTEBOOKS = [str(path) for path in sorted(Path("notebooks").glob("[1235]_*.ipynb"))]
EXTRAS = ["tests/kit/test_tools.py", "tests/layers", "tests/search"]
EXTRAS += ["tests/classroom/test_similar.py"]  # as in .ci/run

# Warnings of our own modules are errors, also in the processes that a test starts. Whole names: this
# variable knows no prefixes.
MODULES = [
    ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    for folder in ("cs231n", "classroom")
    for path in sorted(Path(folder).rglob("*.py"))
]
STRICT = {"OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": ",".join(f"error:::{name}" for name in MODULES)}


def suite(session, **env):
    session.run(*PYTEST, "not slow", *session.posargs, env={**STRICT, **env})


@nox.session
@nox.parametrize(
    "python, versions, hash_seed, locale",
    [
        nox.param("3.10", OLDEST, "1", "C", id="oldest"),
        nox.param("3.13", NEWEST, "random", "C.UTF-8", id="newest"),
        nox.param("3.14", NEWEST, "2", "C.UTF-8", id="newest-3.14"),
    ],
)
def ends(session, versions, hash_seed, locale):
    """The suite, then notebooks 1, 2, 3 and 5 against their stored outputs."""
    env = {"PYTHONHASHSEED": hash_seed, "LC_ALL": locale}
    session.install(*versions, "-r", "requirements.txt")
    suite(session, **env)
    session.run("python", "-m", "pytest", "--nbval", "--nbval-current-env", *NOTEBOOKS, env={**STRICT, **env})


@nox.session
@nox.parametrize(
    "python, versions", [nox.param("3.10", OLDEST, id="oldest"), nox.param("3.13", NEWEST, id="newest")]
)
def extras(session, versions):
    """What [fast], [search], [cluster], [similarity] and [dev] add."""
    names = ("fast", "search", "cluster", "similarity", "dev")
    session.install(*versions, "-r", "pyproject.toml", *(f"--extra={name}" for name in names))
    session.run(*PYTEST, "not slow", *EXTRAS, env=STRICT)


@nox.session(python="3.13")
def faults(session):
    """Bad numbers, data, disks, kills and notebooks: it ends with the table of what was tried, and held."""
    session.install(*NEWEST, "-r", "pyproject.toml", "--extra", "fast")
    session.run(*PYTEST, "reliability", "--hypothesis-profile=many", *session.posargs, env=STRICT)


@nox.session(python="3.12")
def colab(session):
    """What notebooks import first, under the IPython of Colab.

    Colab has IPython 7.34 on Python 3.12, where %autoreload does not start: it imports imp, which 3.12 no
    longer has. requirements.txt asks for a newer IPython, so this names its packages itself.
    """
    packages = ["ipython==7.34.0", "ipykernel==6.17.1", "nbclient", "nbformat"]
    session.install(*packages, "numpy", "matplotlib", "sympy", "tqdm", "pytest", "hypothesis")
    names = ("reloading", "check_command", "hints", "questions")
    session.run(*PYTEST, "not slow", *(f"tests/checking/test_{name}.py" for name in names), env=STRICT)


@nox.session(python="3.13")
def prerelease(session):
    """The suite under the next numpy, where there is a pre-release of it."""
    session.install(*NEWEST, "-r", "requirements.txt")
    session.install("--upgrade", "--prerelease", "allow", "numpy")
    suite(session)


@nox.session(python="3.13")
def leaks(session):
    """The suite in Python's development mode: a file or a socket left open is an error."""
    session.install(*NEWEST, "-r", "requirements.txt")
    python = ["python", "-X", "dev", "-W", "error::ResourceWarning"]
    unraisable = ["-W", "error::pytest.PytestUnraisableExceptionWarning"]
    session.run(*python, *PYTEST[1:], "not slow", *unraisable, *session.posargs, env=STRICT)
