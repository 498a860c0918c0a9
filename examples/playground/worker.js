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

asked = {name: in_json(getattr(engine, name)) for name in ("check", "evaluate", "tell_why", "give_example", "explain")}
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

const ANSWERS = {
  check: ({ rules }) => ({ kind: "checked", answer: ask("check", rules) }),
  evaluate: ({ rules, values }) => ({ kind: "evaluated", answer: ask("evaluate", rules, values) }),
  why: ({ id, rules, values, rule }) => ({ kind: "told", id, answer: ask("tell_why", rules, values, rule) }),
  example: ({ id, rules, values }) => ({ kind: "told", id, answer: ask("give_example", rules, values) }),
  explain: ({ id, code }) => ({ kind: "told", id, answer: ask("explain", code) }),
};

onmessage = async ({ data }) => {
  await started;
  if (!engine) return;
  try {
    postMessage(ANSWERS[data.kind](data));
  } catch (error) {
    postMessage({ kind: "broke", message: String(error.message ?? error) });
  }
};
