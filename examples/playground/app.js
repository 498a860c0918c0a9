// The page: two texts and a picture in, what Python says of them out.
import { Canvas } from "./boxes.js";
import { Editor } from "./editor.js";
import { showExpects, showFindings, showResults, showTotal } from "./results.js";

const $ = (id) => document.getElementById(id);
const status = $("status");

// ---- Python: one request at a time, and of those that wait only the newest

const worker = new Worker("./worker.js", { type: "module" });
const PAUSE = 90; // ms without a key, after which it is worked out what the rules cost
const times = { first: null, keys: [], moves: [] }; // ms from a key, or a move, to its answer on the page; tests read them
window.playground = { times };

let ready = false;
let busy = null; // what Python is at: {from, since}
let waiting = null;
let pause = null;
const last = { rules: null, checked: null, typed: [], problems: [], said: null };

function ask(from) {
  clearTimeout(pause);
  waiting = { from, since: performance.now() };
  if (ready && !busy) send();
}

function send() {
  busy = waiting;
  waiting = null;
  if (rules.value === last.rules) evaluate();
  else worker.postMessage({ kind: "check", rules: (last.rules = rules.value) });
}

function evaluate() {
  worker.postMessage({ kind: "evaluate", rules: last.rules, values: values.value });
}

worker.onmessage = ({ data }) => {
  switch (data.kind) {
    case "ready":
      ready = true;
      if (waiting) send();
      break;
    case "failed":
      status.textContent = `Python does not start: ${data.message}`;
      break;
    case "checked":
      checked(data.answer);
      break;
    case "evaluated":
      evaluated(data.answer);
      break;
    case "told":
      if (data.id === request.id) tell(data.answer);
      break;
    case "broke":
      status.textContent = `A bug of asrppl: ${data.message.trim().split("\n").at(-1)}`;
      if ($("told").open) $("told-text").textContent = data.message;
      next();
      break;
  }
};

// Findings come first, key by key; what the rules cost waits for a pause.
function checked(answer) {
  last.checked = answer;
  const lines = last.rules.split("\n");
  last.typed = last.typed.filter((found) => lines[found.line - 1] === found.on); // of lines that are as they were
  const { from, since } = busy;
  if (rules.value === last.rules) showChecked();
  if (from === "key") times.keys.push(performance.now() - since);
  if (waiting) return next();
  if (from !== "key") return evaluate();
  busy = null;
  pause = setTimeout(() => ask("pause"), PAUSE);
}

function evaluated(answer) {
  const lines = last.rules.split("\n");
  last.typed = answer.diagnostics.map((found) => ({ ...found, on: lines[found.line - 1] }));
  last.problems = answer.problems;
  if (times.first === null) {
    times.first = performance.now();
    status.textContent = `Python is here (${(times.first / 1000).toFixed(1)} s). Nothing leaves this page.`;
  }
  // Of a text that has changed since, the places would be wrong: the next answer is under way.
  if (rules.value === last.rules) {
    showChecked();
    showCosts(answer);
    if (busy.from === "move") times.moves.push(performance.now() - busy.since);
  }
  next();
}

function next() {
  busy = null;
  if (waiting) send();
}

// ---- what it says

function findings() {
  const found = [...last.checked.diagnostics, ...last.typed];
  return found.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

function showChecked() {
  const found = findings();
  rules.mark(found);
  const { problems } = last;
  values.mark(problems.map(({ line }) => ({ line, end_line: line, column: 1, end_column: 1e6, severity: "error" })));
  showExpects($("expects"), last.checked.expects, given(), give);
  const said = JSON.stringify([found, problems]);
  if (said === last.said) return; // a list that is said aloud is not said twice
  last.said = said;
  showFindings($("findings"), found, problems, {
    onPlace: (found) => rules.select(found),
    onCode: (code) => request(`What ${code} means`, { kind: "explain", code }),
    onMend: (edit) => rules.mend(edit),
    onLine: (line) => values.select({ line, column: 1 }),
  });
}

function showCosts({ boxes, rules: costs }) {
  const empty = !Object.keys(boxes).length;
  $("canvas-pane").hidden = empty;
  if (!empty) canvas.show(boxes, side());
  canvas.mark(costs.flatMap((cost) => cost.instances));
  showResults($("results"), last.checked.rules, costs, {
    onWhy: (rule) => request(`Why ${rule} does not hold`, { kind: "why", rule }),
    onLight: (reads) => canvas.light(reads),
  });
  showTotal($("total"), last.checked.rules, costs, last.checked.failed);
}

// The side of the image, if the rules say one.
function side() {
  const found = rules.value.match(/^param\s+(?:S|W|side|size)\s*=\s*(\d+(?:\.\d+)?)/m);
  return found ? Number(found[1]) : 50;
}

function request(title, message) {
  $("told-title").textContent = title;
  $("told-text").textContent = "…";
  $("told-offers").replaceChildren();
  $("told").showModal();
  request.id = (request.id ?? 0) + 1;
  worker.postMessage({ ...message, rules: rules.value, values: values.value, id: request.id });
}

function tell({ lines, offers = [] }) {
  $("told-text").textContent = lines.join("\n");
  const buttons = offers.map(({ label, values: text }) => {
    const button = document.createElement("button");
    button.textContent = label;
    button.onclick = () => {
      values.value = text;
      ask("value");
    };
    return button;
  });
  $("told-offers").replaceChildren(...buttons);
}

// ---- values

const statement = (name) => new RegExp(`^${name}[ \\t]*=(?!=).*(?:\\n[ \\t].*)*`, "m");
const given = () => new Set([...values.value.matchAll(/^([A-Za-z_]\w*)[ \t]*=(?!=)/gm)].map(([, name]) => name));

// What has been moved, an array of boxes or one box, as it is written.
function setBoxes(name, box) {
  const written = (value) => (Array.isArray(value) ? `[${value.map(written).join(", ")}]` : String(value));
  values.value = values.value.replace(statement(name), () => `${name} = ${written(box)}`);
  ask("move");
}

// A value to start from, of the shape that the rules read.
function give(free) {
  const one = { box: free.rank ? "[25, 25, 10, 10]" : "[25, 25, 50, 50]", bool: "false", int: "1", distribution: "[0.5, 0.5]" }[free.shape] ?? "1.0";
  const list = (rank) => (rank ? `[${Array(free.shape === "box" ? 2 : 3).fill(list(rank - 1)).join(", ")}]` : one);
  const rank = free.rank ?? 1;
  const boxes = "[[15, 20, 12, 12], [22, 24, 12, 12], [38, 34, 12, 12]]";
  const value = free.shape === "box" && rank === 1 ? boxes : list(rank);
  values.value = `${values.value.replace(/\n*$/, "\n").replace(/^\n$/, "")}${free.name} = ${value}\n`;
  ask("value");
}

// ---- the parts of the page

const rules = new Editor($("rules-editor"), () => ask("key"));
const values = new Editor($("values-editor"), () => ask("value"));
const canvas = new Canvas($("canvas"), setBoxes);

$("example").onclick = () => request("Worlds that keep the rules, and that break one", { kind: "example" });

async function start() {
  const [words, worlds] = await Promise.all(["words.json", "worlds.json"].map((name) => fetch(name).then((got) => got.json())));
  rules.words = values.words = { keyword: new Set(words.keyword), builtin: new Set(words.builtin) };
  const choice = $("examples");
  choice.append(...worlds.map(({ title }, at) => new Option(title, at)));
  choice.onchange = () => {
    rules.value = worlds[choice.value].rules;
    values.value = worlds[choice.value].values;
    ask("value");
  };
  showHelp(words.library);
  choice.onchange();
}

function showHelp(library) {
  const terms = library.flatMap(({ call, says }) => {
    const [term, description] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = call;
    description.textContent = says;
    return [term, description];
  });
  $("library").append(...terms);
}

start();
