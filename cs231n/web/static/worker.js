// Python in a worker: loads the runtime, says what it loads, runs one cell after another.
"use strict";

let python, shell, assignment, base;
const tell = (message) => postMessage(message);

async function get(name, address = new URL(`runtime/${name}`, base)) {
  const response = await fetch(address).catch(() => null);
  if (!response) throw new Error(`${name}: the server does not answer`);
  if (!response.ok) throw new Error(`${name}: the server answers ${response.status}`);
  return response;
}

// The bytes of files, while `bar` says how many of all bytes are there. What is named .packed is gzip.
async function read(files) {
  const total = files.reduce((sum, file) => sum + file.size, 0);
  let loaded = 0;
  const open = new Set(files);
  const bar = () => {
    const [file] = open;
    tell({ type: "load", text: file ? file.title : "starting Python", loaded, total });
  };
  bar();
  const contents = await Promise.all(files.map(async (file) => {
    let stream = (await get(file.name, file.address)).body.pipeThrough(new TransformStream({
      transform(chunk, out) { if (file.size) loaded += chunk.length; bar(); out.enqueue(chunk); },
    }));
    if (file.name.endsWith(".packed")) stream = stream.pipeThrough(new DecompressionStream("gzip"));
    const content = await new Response(stream).arrayBuffer().catch(() => null);
    if (!content) throw new Error(`${file.name}: the server sent a part of it, or a damaged file`);
    open.delete(file);
    bar();
    return [file.name.replace(/\.packed$/, ""), content];
  }));
  return new Map(contents);
}

// An archive that is not needed until its first import; Python waits for it.
function readNow(name) {
  tell({ type: "load", text: name.split(".")[0], loaded: 0, total: 0 });
  const request = new XMLHttpRequest();
  request.open("GET", new URL(`runtime/${name}`, base), false);
  request.responseType = "arraybuffer";
  try {
    request.send();
  } catch {
    throw new Error(`${name}: the server does not answer`);
  }
  if (request.status !== 200) throw new Error(`${name}: the server answers ${request.status}`);
  const path = `/kit/${name}`;
  const unpack = python.pyimport("gzip").decompress;
  python.FS.writeFile(path, unpack(python.toPy(new Uint8Array(request.response))).toJs());
  tell({ type: "load", text: "" });
  return path;
}

async function start() {
  const site = await (await get("site.json")).json();
  const files = await read(site.files);
  const load = self.fetch;  // Pyodide asks for these files again: it gets what is here
  self.fetch = (address, ...rest) => {
    const name = String(address.url || address).split("/").pop();
    if (!files.has(name)) return load(address, ...rest);
    const type = name.endsWith(".wasm") ? "application/wasm" : "application/octet-stream";
    return Promise.resolve(new Response(files.get(name), { headers: { "Content-Type": type } }));
  };
  try {
    importScripts(new URL("runtime/pyodide.js", base));
  } catch {
    throw new Error("pyodide.js: the server does not answer");
  }
  const options = { indexURL: String(new URL("runtime/", base)), lockFileContents: JSON.stringify(site.lock) };
  python = await loadPyodide(options);
  self.fetch = load;
  const sha256 = python.pyimport("hashlib").sha256;
  for (const file of site.files.filter((file) => file.address)) {  // wheels from the CDN
    const wheel = files.get(file.name);
    if (sha256(python.toPy(new Uint8Array(wheel))).hexdigest() !== file.sha256) {
      throw new Error(`${file.name} from ${new URL(file.address).host} is not the pinned file: its SHA-256 is wrong`);
    }
    python.unpackArchive(wheel, "zip", { extractDir: "/kit/packages" });
  }
  tell({ type: "load", text: "starting the kit", loaded: 1, total: 1 });
  if (files.has("numpy.zip")) python.unpackArchive(files.get("numpy.zip"), "zip", { extractDir: "/kit/packages" });
  python.unpackArchive(files.get("kit.zip"), "zip", { extractDir: "/kit" });
  python.FS.mkdirTree("/kit/notebooks");
  python.runPython(`
import os, sys
sys.dont_write_bytecode = True
os.environ["MPLBACKEND"] = "agg"
sys.path += ["/kit", "/kit/packages"]
os.chdir("/kit/notebooks")
`);
  const install = python.pyimport("cs231n.web.shell").install;
  shell = install((line) => tell(JSON.parse(line)), python.toPy(site.late), readNow);
  assignment = python.pyimport("cs231n.web.assignment");
  tell({ type: "ready" });
}

onmessage = async ({ data }) => {
  try {
    if (data.type === "start") {
      base = data.base;
      await start();
      return;
    }
    if (data.edits) assignment.write_edits(JSON.stringify(data.edits.files), JSON.stringify(data.edits.cells));
    if (data.type === "run") tell({ type: "done", ok: shell.run_cell(data.source, data.name) });
    else if (data.type === "pack") tell({ type: "packed", zip: assignment.pack(data.declaration).toJs() });
    else if (data.type === "open") {
      try {
        tell({ type: "opened", ...JSON.parse(assignment.open_submission(python.toPy(data.zip).tobytes())) });
      } catch (error) {
        tell({ type: "refused", text: String(error.message).trim().split("\n").pop().replace(/^ValueError: /, "") });
      }
    }
  } catch (error) {
    tell({ type: "failed", text: String(error.message || error) });
  }
};
