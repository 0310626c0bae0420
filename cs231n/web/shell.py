"""What the kit uses of IPython, in the browser: run a cell; send what it prints, shows and raises.

Each message is one line of JSON: {"type": "stream", "name", "text"}, {"type": "display", "data", "metadata"},
{"type": "error", "text"}, or {"type": "stored"} for a cell whose data is not in the page.
"""

import ast
import base64
import contextlib
import dis
import io
import json
import linecache
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace, TracebackType
from typing import Any

import numpy as np

from cs231n.data.errors import DataError

__all__ = ["STORED_FIGURE", "Shell", "install"]

STORED_FIGURE = "application/x-stored-figure"  # the page shows the figure that is stored with the notebook
MOST_CHARACTERS = 100_000  # that one cell may print
PER_DISPLAY = 100  # characters that it counts for, so that a loop of them ends too
LEFT_OUT = "\n... the rest of the output is left out\n"


class Shell:
    """The part of IPython's shell that cs231n.notebook uses, and `run_cell`."""

    def __init__(self, send: Callable[[str], object]) -> None:
        self._send, self._printed = send, 0
        self._callbacks: dict[str, list[Callable[..., object]]] = {"pre_run_cell": [], "post_run_cell": []}
        self._absent = set[str]()  # what cells without their data would have bound
        self._handled: tuple[type[BaseException], ...] = ()
        self._handler: Callable[..., object] = lambda *_: None
        self.events = SimpleNamespace(register=lambda name, callback: self._callbacks[name].append(callback))

    def set_custom_exc(self, kinds: tuple[type[BaseException], ...], handler: Callable[..., object]) -> None:
        """As IPython's: `handler(shell, kind, error, trace)` shows exceptions of these kinds."""
        self._handled, self._handler = kinds, handler

    def run_cell(self, source: str, name: str) -> bool:
        """Run a cell in __main__, and show the value of its last line.

        A cell that asks for the images, or for a name that such a cell binds, has no result: what it bound is
        deleted again, and the page shows what is stored.

        Returns:
            Whether the next cell can run: nothing was raised, or the data is not in the page.
        """
        bound, has_data = set[str](), True
        namespace, file = vars(sys.modules["__main__"]), f"<cell {name}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        self._printed = 0
        out, err = _Stream("stdout", self.print), _Stream("stderr", self.print)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            self._call("pre_run_cell")
            try:
                tree = ast.parse(source, file)
                last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
                code = compile(tree, file, "exec", dont_inherit=True)
                bound = {line.argval for line in dis.get_instructions(code) if line.opname == "STORE_NAME"}
                exec(code, namespace)
                if isinstance(last, ast.Expr):
                    value = eval(
                        compile(ast.Expression(last.value), file, "eval", dont_inherit=True), namespace
                    )
                    if value is not None:
                        self.publish({"text/plain": repr(value)})
                error = None
            except BaseException as raised:  # also SystemExit, of a cell that calls exit()
                error = raised
                named = isinstance(error, NameError) and error.name in self._absent
                has_data = not (named or isinstance(error, DataError))
            _flush(out, err)
            if not has_data:
                self._absent |= bound
                for name in bound & namespace.keys():
                    del namespace[name]
                self._send(json.dumps({"type": "stored"}))
            elif error is not None:
                self._show(error)
            else:
                self._absent -= bound
            self._call("post_run_cell")
            _flush(out, err)
        return error is None or not has_data

    def print(self, name: str, text: str) -> None:
        """Send what a stream got, up to MOST_CHARACTERS a cell."""
        cut = self._cut(text)
        if cut is not None:
            self._send(json.dumps({"type": "stream", "name": name, "text": cut}))

    def _cut(self, text: str, extra: int = 0) -> str | None:
        """What the cell may still print of the text, which counts for `extra` characters more."""
        room = MOST_CHARACTERS - self._printed
        self._printed += len(text) + extra
        if room < 0:
            return None
        return text if len(text) + extra <= room else text[:room] + LEFT_OUT

    def publish(
        self, data: Mapping[str, Any], metadata: Mapping[str, Any] | None = None, **_: object
    ) -> None:
        """As IPython's publish_display_data; bytes are sent as base64."""
        encoded = {
            kind: base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
            for kind, value in data.items()
        }
        plain = self._cut(encoded.get("text/plain", ""), PER_DISPLAY)
        if plain is None:
            return
        if "text/plain" in encoded:
            encoded["text/plain"] = plain
        self._send(json.dumps({"type": "display", "data": encoded, "metadata": dict(metadata or {})}))

    def display(self, *values: Any, raw: bool = False, metadata: Mapping[str, Any] | None = None) -> None:
        """As IPython's display; an object is shown by its repr."""
        for value in values:
            self.publish(value if raw else {"text/plain": repr(value)}, metadata)

    def showtraceback(self, details: tuple[type, BaseException, TracebackType | None]) -> None:
        """As IPython's, of one exception."""
        _, error, trace = details
        if hasattr(error, "_render_traceback_"):
            lines = error._render_traceback_()
        else:
            while trace and not trace.tb_frame.f_code.co_filename.startswith("<cell "):
                trace = trace.tb_next
            lines = [line.rstrip("\n") for line in traceback.format_exception(type(error), error, trace)]
        text = "\n".join(lines)
        text = text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + LEFT_OUT
        self._send(json.dumps({"type": "error", "text": text}))

    def _show(self, error: BaseException) -> None:
        if isinstance(error, self._handled):
            self._handler(self, type(error), error, error.__traceback__)
        else:
            self.showtraceback((type(error), error, error.__traceback__))

    def _call(self, name: str) -> None:
        for callback in self._callbacks[name]:
            callback(None)


def _flush(*streams: io.TextIOBase) -> None:
    for stream in streams:
        stream.flush()


class _Stream(io.TextIOBase):
    """Sends whole lines, and long ones in parts."""

    def __init__(self, name: str, send: Callable[[str, str], None]) -> None:
        super().__init__()
        self._name, self._line, self._to = name, "", send

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._line += text
        if "\n" in text or len(self._line) > 1000:
            self.flush()
        return len(text)

    def flush(self) -> None:
        text, self._line = self._line, ""
        if text:
            self._to(self._name, text)


class _NoInput(io.TextIOBase):
    def readline(self, *_: object) -> str:  # type: ignore[override]
        raise RuntimeError("input() does not work in the page; write the value into the cell")

    def close(self) -> None:  # exit() closes it, and help() would not work any more
        pass


class _Undrawn:
    """Stands for a figure, axes, colours or sliders where nothing draws them: its methods do nothing."""

    def __getattr__(self, name: str) -> "_Undrawn":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: object, **__: object) -> "_Undrawn":
        return self

    def __getitem__(self, _: object) -> "_Undrawn":
        return self

    def __setitem__(self, *_: object) -> None:
        pass

    def __repr__(self) -> str:
        return "This edition has no matplotlib, so it draws no figure."

    def __iter__(self) -> Iterator["_Undrawn"]:
        return iter([self] * 100)

    def __enter__(self) -> "_Undrawn":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _subplots(rows: int = 1, columns: int = 1, **_: object) -> tuple[_Undrawn, Any]:
    axes = np.full((rows, columns), _Undrawn(), dtype=object).squeeze()
    return _Undrawn(), axes if axes.ndim else axes.item()


class _LateArchives:
    """Fetches the archives of a module when it is first imported."""

    def __init__(self, archives: Mapping[str, Sequence[str]], fetch: Callable[[str], str]) -> None:
        self._archives, self._fetch = dict(archives), fetch

    def find_spec(self, name: str, *_: object) -> None:
        paths = [self._fetch(archive) for archive in self._archives.get(name, ())]
        self._archives.pop(name, None)
        sys.path.extend(paths)  # where the finder behind this one looks


def install(
    send: Callable[[str], object], late: Mapping[str, Sequence[str]], fetch: Callable[[str], str]
) -> Shell:
    """Put a shell in the place of IPython and, for matplotlib and widgets, something to call.

    Args:
        send: gets each message, a line of JSON.
        late: {module: archives that its first import needs}.
        fetch: gets the name of an archive and returns its path.
    """
    shell = Shell(send)
    display = _module("IPython.display", display=shell.display, publish_display_data=shell.publish)
    _module("IPython", get_ipython=lambda: shell, display=display, __path__=[])
    sys.meta_path.insert(0, _LateArchives(late, fetch))  # type: ignore[arg-type]

    sys.stdin = _NoInput()

    def anything(_: str) -> _Undrawn:
        return _Undrawn()

    if find_spec("ipywidgets") is None:
        _module("ipywidgets", __getattr__=anything)
    if find_spec("matplotlib") is None:
        from cs231n import vis_utils

        pyplot = _module("matplotlib.pyplot", subplots=_subplots, __getattr__=anything)
        colors = _module("matplotlib.colors", __getattr__=anything)
        _module("matplotlib", pyplot=pyplot, colors=colors, __getattr__=anything, __path__=[])
        vis_utils.show = lambda figure, alt: shell.publish({"text/plain": alt, STORED_FIGURE: ""})
    return shell


def _module(name: str, **names: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(names)
    sys.modules[name] = module
    return module
