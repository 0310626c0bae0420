// node compile.mjs RUNTIME IN OUT: a zip of Python sources into a zip of bytecode, packed by gzip, for the Python in RUNTIME.
// A module is compiled when the site is made, and not in each browser at each start. The zip itself is not
// compressed: gzip over all of it makes it smaller.
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { createRequire } from "node:module";

const leftOut = [  // what no cell needs; of Python's library, NumPy and SymPy
  String.raw`.*\.(pyi|pxd|h|a|pyx|pyx\.in|rst)|.*/|.*\.dist-info/(RECORD|AUTHORS)`,
  "_pyrepl/(?!__init__|pager).*|(wsgiref|xml|xmlrpc)/.*|(imaplib|mailbox|plistlib|poplib|smtplib).py",
  "encodings/(big5|cp(?!437|1252)|euc|gb|hp|hz|iso|johab|koi8|kz|mac|ptcp|shift|tis).*",
  "numpy/(f2py/src|linalg/lapack_lite|random/_examples).*",
  ".*/(tests|benchmarks)/.*|sympy/parsing/(autolev|c|fortran|latex)/.*",
  "sympy/physics/(biomechanics|continuum|control|hep|mechanics|optics|quantum|vector)/.*",
].join("|");

const [folder, source, target] = process.argv.slice(2);
const { loadPyodide } = createRequire(import.meta.url)(path.resolve(folder, "pyodide.js"));
const env = { PYTHONNODEBUGRANGES: "1" };  // no columns: they are for tracebacks that show the source
const python = await loadPyodide({ indexURL: path.resolve(folder) + path.sep, env });
python.FS.writeFile("/in", fs.readFileSync(source));
python.globals.set("left_out", leftOut);
python.runPython(`
import ast, importlib._bootstrap_external as pyc, importlib.util, re, zipfile

def add(name, data):
    new.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)

with zipfile.ZipFile("/in") as old, zipfile.ZipFile("/out", "w") as new:
    for name in sorted(old.namelist()):
        kit = name.startswith("cs231n/")  # whose sources are read and edited, so its bytecode is checked
        data = old.read(name)
        if re.fullmatch(left_out, name) and not kit:
            continue
        if name.endswith(".py"):
            tree = ast.parse(data)
            for node in [] if kit else ast.walk(tree):
                if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
                    node.body[0].value.value = ""
            code = compile(tree, f"/kit/{name}" if kit else name, "exec", dont_inherit=True, optimize=0)
            code = pyc._code_to_hash_pyc(code, importlib.util.source_hash(data), kit)
            if kit:
                add(name, data)
                name = importlib.util.cache_from_source(name)
            else:
                name += "c"
            data = code
        add(name, data)
`);
fs.writeFileSync(target, zlib.gzipSync(python.FS.readFile("/out"), { level: 9 }));
