// node compile.mjs RUNTIME IN OUT [IN OUT ...]: zips of Python sources into zips of bytecode, for the Python in RUNTIME.
// A module is compiled when the site is made, and not in each browser at each start.
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const [folder, ...names] = process.argv.slice(2);
const { loadPyodide } = createRequire(import.meta.url)(path.resolve(folder, "pyodide.js"));
const python = await loadPyodide({ indexURL: path.resolve(folder) + path.sep });
python.runPython(`
import importlib._bootstrap_external as pyc, importlib.util, io, zipfile

def add(archive, name, data):
    archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)

def compiled(content):
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist()):
            data = old.read(name)
            if name.startswith("sympy/") and "/tests/" in name or name.endswith((".pyi", ".pxd", ".h", ".a", "/")):
                continue
            if name.endswith(".py"):
                kit = name.startswith("cs231n/")  # whose sources are read and edited, so its bytecode is checked
                code = compile(data, f"/kit/{name}" if kit else name, "exec", dont_inherit=True, optimize=0)
                code = pyc._code_to_hash_pyc(code, importlib.util.source_hash(data), kit)
                if kit:
                    add(new, name, data)
                    name = importlib.util.cache_from_source(name)
                else:
                    name += "c"
                data = code
            add(new, name, data)
    return packed.getvalue()
`);
for (let i = 0; i < names.length; i += 2) {
  python.FS.writeFile("/in", fs.readFileSync(names[i]));
  python.runPython("open('/out', 'wb').write(compiled(open('/in', 'rb').read()))");
  fs.writeFileSync(names[i + 1], python.FS.readFile("/out"));
}
