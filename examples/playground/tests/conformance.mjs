// node conformance.mjs SITE CHECKOUT: the conformance cases of the checkout's tests, in Pyodide, with the page's zip.
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
sys.path[:0] = ["/asrppl", "/checkout"]  # the page's own Python comes first
from tests import conformance

import asrppl

assert asrppl.__file__.startswith("/asrppl/"), asrppl.__file__
conformance.main()
`);
process.exitCode = wrong ? 1 : 0;
