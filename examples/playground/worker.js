// Python in a worker of its own: the page never waits for it.
import { loadPyodide } from "./pyodide/pyodide.mjs";

let engine;

// Python's answer as plain data: JSON says it in one crossing.
const ask = (name, ...texts) => JSON.parse(engine.get(name)(...texts));

const START = `
import json, sys
sys.path.insert(0, "/asrppl")
from examples.playground import engine

def in_json(function):
    return lambda *texts: json.dumps(function(*texts))

asked = {name: in_json(getattr(engine, name)) for name in ("check", "evaluate", "tell_why", "explain")}
# The grammar's tables are made now, not at the first key.
engine.check("forall i: x[i] <= 1")
asked
`;

async function start() {
  const [python, zip] = await Promise.all([
    loadPyodide({ indexURL: new URL("./pyodide/", import.meta.url).href }),
    fetch("./asrppl.zip").then((found) => found.arrayBuffer()),
  ]);
  python.unpackArchive(zip, "zip", { extractDir: "/asrppl" });
  engine = python.runPython(START);
}

const started = start().then(
  () => postMessage({ kind: "ready" }),
  (error) => postMessage({ kind: "failed", message: String(error.message ?? error) }),
);

onmessage = async ({ data }) => {
  await started;
  if (!engine) return;
  try {
    if (data.kind === "sheet") {
      // Findings first: they need not wait for what the rules cost.
      if (data.checks) postMessage({ kind: "checked", id: data.id, answer: ask("check", data.rules) });
      postMessage({ kind: "evaluated", id: data.id, answer: ask("evaluate", data.rules, data.values) });
    } else if (data.kind === "why") {
      postMessage({ kind: "told", id: data.id, answer: ask("tell_why", data.rules, data.values, data.rule) });
    } else if (data.kind === "explain") {
      postMessage({ kind: "told", id: data.id, answer: ask("explain", data.code) });
    }
  } catch (error) {
    postMessage({ kind: "broke", id: data.id, message: String(error.message ?? error) });
  }
};
