"""What the tests of the grader share: submissions made of the solved kit, of its blanks, and of changes."""

import functools
import re
import zipfile

from classroom.grading.marking import mark
from classroom.grading.reference import submitted_files
from classroom.grading.result import ExerciseResult
from classroom.grading.runner import MarkingOptions
from classroom.grading.submission import open_hand_in, read_submission, submission_of
from classroom.manifest import functions_by_file, load_exercises
from classroom.releasing.blanks import blank_functions
from classroom.sandbox.process import Limits
from cs231n.common.files import REPOSITORY

HOSTILE = REPOSITORY / "tests" / "classroom" / "hostile"
EXERCISES = tuple(load_exercises())
FILES = submitted_files(EXERCISES)
BLANKS = functions_by_file(EXERCISES)
LAYERS, NET, LAYER_UTILS, OPTIM, SECOND_DERIVATIVE = FILES
# Memory enough for numpy, and a second or two for what ends at once.
BRIEF = Limits(seconds=2, memory=1 << 30)

# Batch normalization with a cache of its own.
BATCHNORM = """
def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    mean, var = x.mean(axis=0), x.var(axis=0)
    if bn_param["mode"] == "test":
        return gamma * (x - bn_param["running_mean"]) / np.sqrt(bn_param["running_var"] + eps) + beta, None
    for name, value in (("running_mean", mean), ("running_var", var)):
        bn_param[name] = momentum * bn_param.get(name, 0 * value) + (1 - momentum) * value
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma * x_hat + beta, {"x_hat": x_hat, "factor": gamma / np.sqrt(var + eps)}

def batchnorm_backward(dout, cache):
    x_hat, N = cache["x_hat"], len(dout)
    dgamma, dbeta = (dout * x_hat).sum(axis=0), dout.sum(axis=0)
    dx = cache["factor"] * (dout - dbeta / N - x_hat * dgamma / N)
    return dx, dgamma, dbeta

"""
BATCHNORM += BATCHNORM[BATCHNORM.index("def batchnorm_backward") :].replace("backward(", "backward_alt(")
WRONG_ALT = """
def batchnorm_backward_alt(dout, cache):
    dx, dgamma, dbeta = _batchnorm_backward_alt(dout, cache)
    return dx + cache.gamma * cache.inv_std * dbeta / len(dout), dgamma, dbeta  # the mean is held fixed
"""


@functools.cache
def _sources():
    solved = {file: (REPOSITORY / file).read_bytes() for file in FILES}
    blanks = {file: blank_functions(file, solved[file], BLANKS.get(file, {})) for file in FILES}
    return [{file: source.decode() for file, source in files.items()} for files in (solved, blanks)]


def solved(source="", file=LAYERS):
    """{path: source} that a student hands in: the kit's, with functions of source in place of its own."""
    return with_functions(_sources()[0], source, file)


def blank(source=""):
    """The same of the learner's edition."""
    return with_functions(_sources()[1], source)


def with_functions(files, source, file=LAYERS):
    """files with functions of source in place of those of the same name, which it can call as _NAME."""
    new, old = (re.findall(r"^(?:def|class) (\w+)", text, re.M) for text in (source, files[file]))
    renamed = "".join(f"_{name} = {name}\n" for name in new if name in old)
    return {**files, file: f"{files[file]}\n\n{renamed}\n\n{source}"} if source else dict(files)


def burn(seconds):
    """An expression that takes that much processor time, and is None."""
    loop = f"end = time.process_time() + {seconds}\nwhile time.process_time() < end: pass"
    return f"exec({'import time' + chr(10) + loop!r})"


def function(name, arguments, value):
    """The source of a function of one expression."""
    return f"def {name}({arguments}):\n    return {value}\n"


def hostile(name, **values):
    """The learner's files, nothing solved, with hostile/NAME.py behind the layers."""
    source = (HOSTILE / f"{name}.py").read_text()
    for key, value in values.items():
        assert f"{key} = None" in source
        source = source.replace(f"{key} = None", f"{key} = {value!r}")
    return blank(source)


def marked(files, level=None, only=None, **limits):
    """{title: ExerciseResult} of a submission of files, at one level of the sandbox; of those in only.

    limits are fields of Limits that differ from BRIEF.
    """
    missing = {file: f"{file} is missing" for file in FILES if file not in files}
    submission = submission_of(files, EXERCISES, missing)
    exercises = tuple(exercise for exercise in EXERCISES if only is None or exercise.title in only)
    options = MarkingOptions(exercises, 7, BRIEF._replace(**limits), weakest_level="limits")
    results, _ = mark(submission, options, level)
    return {exercise.title: results[exercise.number] for exercise in exercises}


def result_of(title, files, **limits):
    """The ExerciseResult of one exercise alone."""
    return marked(files, only=[title], **limits)[title]


def with_result(result, exercises=EXERCISES):
    """{number: result} of every exercise but the optional one, which is not written."""
    left_out = ExerciseResult(0.0, "not-implemented", "Not implemented yet.")
    return {exercise.number: left_out if exercise.optional else result for exercise in exercises}


def shares(results):
    """{title: share} of the results that earn something."""
    return {title: result.share for title, result in results.items() if result.share}


def wrong(results):
    """{title: kind} of the results that are not right."""
    return {title: result.kind for title, result in results.items() if result.share < 1}


def read(path, exercises=EXERCISES, questions=()):
    """The Submission at a path."""
    hand_in = open_hand_in(path, exercises)
    with hand_in.file:
        return read_submission(hand_in, exercises, questions)


def zipped(path, files, top="", compression=zipfile.ZIP_DEFLATED):
    """path, with a zip of files {name or ZipInfo: content} below the folder top."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in files.items():
            file.writestr(top + name if top else name, content)
    return path
