// node conformance.mjs SITE CHECKOUT: the conformance cases of the checkout's tests, in the page's Pyodide.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [site, checkout] = process.argv.slice(2).map((path) => resolve(path));
const { loadPyodide } = await import(pathToFileURL(join(site, "pyodide", "pyodide.mjs")).href);
const python = await loadPyodide({ indexURL: join(site, "pyodide") });
python.unpackArchive(new Uint8Array(readFileSync(join(site, "asrppl.zip"))), "zip", { extractDir: "/asrppl" });
python.mountNodeFS("/checkout", checkout);
const wrong = python.runPython(`
import sys

sys.dont_write_bytecode = True
sys.path[:0] = ["/checkout", "/asrppl"]  # of the zip it is Lark alone: its other files are the checkout's
from tests import conformance

conformance.main()
`);
process.exitCode = wrong ? 1 : 0;
