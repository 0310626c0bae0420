"""Functions and objects that a Solver is given, as text: an augmentation, a schedule, callbacks.

    describe(partial(shift, pixels=1))    "cs231n.data.augment.shift(pixels=1)"

The text of a part of this kit builds it again; that of any other part is compared with the one handed in.
"""

import ast
import dis
import hashlib
import inspect
import re
import sys
from functools import partial
from types import CodeType
from typing import Any

import numpy as np

from cs231n.data import augment
from cs231n.training import callbacks, schedules

__all__ = ["build", "describe", "is_of_kit", "qualified_name", "same"]

MODULES = {module.__name__: module for module in (augment, schedules, callbacks)}
MODULES["cs231n.augment"] = augment  # its name in older files
PLAIN = (bool, int, float, complex, str, bytes, type(None))
PYTHON = "{}.{}".format(*sys.version_info)


def qualified_name(thing: object) -> str:
    """The dotted name of a function or a class; of any other object, that of its class."""
    named: Any = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}.{named.__qualname__}"


def describe(part: Any) -> str:
    """Its dotted name, its settings, and, for a function outside this kit, a digest of its code.

    Settings are what a partial, a closure or the defaults of a function hold, or the attributes of an object
    that are called as the arguments of its class.
    """
    if isinstance(part, partial):
        listed = [*map(_describe_value, part.args)]
        listed += [f"{name}={_describe_value(value)}" for name, value in part.keywords.items()]
        name, _, code = describe(part.func).partition("#")
        return f"{name}({', '.join(listed)})" + (f"#{code}" if code else "")
    name = qualified_name(part)
    if inspect.isfunction(part):
        if name.rpartition(".")[0] in MODULES:
            return name
        settings = _settings_of_function(part)
    else:
        bound = getattr(part, "__self__", None)
        owner = part if bound is None or inspect.ismodule(bound) else bound
        settings = {} if hasattr(owner, "__qualname__") else _settings_of_object(owner)
    arguments = ", ".join(f"{name}={_describe_value(value)}" for name, value in settings.items())
    code = f"#{PYTHON} {_digest(part.__code__).hexdigest()[:12]}" if inspect.isfunction(part) else ""
    return name + (f"({arguments})" if arguments or hasattr(part, "__dataclass_fields__") else "") + code


def _settings_of_function(function: Any) -> dict[str, Any]:
    code = function.__code__
    rebound = {i.argval for i in dis.get_instructions(code) if i.opname == "STORE_DEREF"}  # a counter, say
    held = inspect.getclosurevars(function).nonlocals
    defaults = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in defaults if p.default is not p.empty} | {
        name: value for name, value in held.items() if name not in rebound
    }


def _settings_of_object(thing: Any) -> dict[str, Any]:
    try:
        names = inspect.signature(type(thing)).parameters
    except (TypeError, ValueError):
        return {}
    return {name: getattr(thing, name) for name in names if name in getattr(thing, "__dict__", {})}


def _describe_value(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, (list, tuple)):
        listed = ", ".join(map(_describe_value, value))
        return f"[{listed}]" if isinstance(value, list) else f"({listed},)"
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return f"<{value.dtype} {value.shape} {digest[:12]}>"
    return describe(value).replace("#", " ") if callable(value) else f"<{qualified_name(value)}>"


def _digest(code: CodeType) -> Any:
    digest = hashlib.sha256(code.co_code + repr((code.co_names, code.co_varnames, code.co_freevars)).encode())
    for constant in code.co_consts:
        inner = isinstance(constant, CodeType)
        digest.update(_digest(constant).digest() if inner else repr(constant).encode())
    return digest


def is_of_kit(text: str | None) -> bool:
    """Whether `build` can make the part of that description (None: no part)."""
    try:
        build(text)
    except ValueError:
        return False
    return True


def build(text: str | None) -> Any:
    """The part of this kit that has this description; None for None.

    Raises:
        ValueError: it is no part of this kit, or has other arguments.
    """
    if text is None:
        return None
    try:
        call: Any = ast.parse(text, mode="eval").body
        is_call = isinstance(call, ast.Call)
        module, _, name = ast.unparse(call.func if is_call else call).rpartition(".")
        if name not in MODULES[module].__all__:
            raise ValueError(name)
        part = getattr(MODULES[module], name)
        if not is_call:
            return part
        args = [ast.literal_eval(value) for value in call.args]
        settings = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
        return part(*args, **settings) if inspect.isclass(part) else partial(part, *args, **settings)
    except (KeyError, SyntaxError, TypeError, ValueError):
        raise ValueError(f"{text.partition('#')[0]}, which is not of this kit") from None


def same(stored: str | None, text: str | None) -> bool:
    """Whether two descriptions are of the same part.

    The digests of code are compared if one Python made both. A script is __main__ in one process and has a
    name in another. Files of version 1 have names without settings.
    """
    if stored is None or text is None or stored == text:
        return stored == text
    (stored, _, code), (text, _, other_code) = stored.partition("#"), text.partition("#")
    stored = re.sub(r"^cs231n\.augment\.", "cs231n.data.augment.", stored)
    if stored == "functools.partial":  # of version 1, as the next
        return text.endswith(")")
    if other_code and not code:
        text = text.partition("(")[0]
    if code.split(" ")[0] == other_code.split(" ")[0] and code != other_code:
        return False
    if "__main__" in (stored.split(".")[0], text.split(".")[0]):
        names = [re.match(r"[^(]*", part)[0] for part in (stored, text)]  # type: ignore[index]
        functions = [name.rpartition(".")[2] + part[len(name) :] for name, part in zip(names, (stored, text))]
        return functions[0] == functions[1]
    return stored == text
