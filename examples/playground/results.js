// What Python said, on the page: findings below the rules, what each rule costs, the names without values.

const element = (name, className, ...children) => {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...children);
  return node;
};

// `code` in back quotes, as messages have it.
const prose = (text) =>
  text.split(/(`[^`]*`)/).map((part) => (part.startsWith("`") && part.length > 2 ? element("code", "", part.slice(1, -1)) : part));

const amount = (number) => (Math.abs(number) >= 1e6 ? number.toExponential(3) : String(+number.toPrecision(4)));

export function showFindings(list, findings, problems, { onPlace, onCode, onLine, onMend }) {
  list.replaceChildren(
    ...findings.map((found) => {
      const where = found.line === null ? "" : `${found.line}:${found.column}`;
      const at = element("button", "at", element("span", "place", where), ...prose(found.message));
      at.type = "button";
      at.onclick = () => onPlace(found);
      const code = element("button", "code", found.code);
      code.type = "button";
      code.title = `What ${found.code} means`;
      code.onclick = () => onCode(found.code);
      const item = element("li", found.severity, at, code);
      if (found.help) item.append(element("p", "mend", ...prose(found.help), ...mends(found, onMend)));
      for (const note of found.notes)
        item.append(element("p", "note", ...prose(note.message), note.line === null || note.file !== found.file ? "" : ` (line ${note.line})`));
      return item;
    }),
    ...problems.map(({ line, message }) => {
      const at = element("button", "at", element("span", "place", `values, line ${line}`), ...prose(message));
      at.type = "button";
      at.onclick = () => onLine(line);
      return element("li", "error", at);
    }),
  );
}

// Mends that the page can make: a button each.
function mends(found, onMend) {
  return (found.edits ?? []).slice(0, 3).map((edit) => {
    const button = element("button", "", edit.text ? `Write ${edit.text}` : "Take it out");
    button.type = "button";
    button.onclick = () => onMend(edit);
    return button;
  });
}

export function showExpects(node, expects, values, onGive) {
  if (!expects.length) return node.replaceChildren("The rules read no names.");
  const parts = expects.flatMap((free, at) => [at ? ", " : "The rules read ", element("code", "", free.shown), `: ${free.type}`]);
  const missing = expects.filter((free) => !values.has(free.name) && free.shape !== "function");
  for (const free of missing) {
    const give = element("button", "", `+ ${free.name}`);
    give.type = "button";
    give.title = `Give ${free.name} a value`;
    give.onclick = () => onGive(free);
    parts.push(give);
  }
  node.replaceChildren(...parts);
}

export function showResults(node, rules, costs, { onWhy, onLight }) {
  if (!rules.length) return node.replaceChildren(element("p", "empty", "No rules yet."));
  const open = document.activeElement?.closest?.(".rule")?.dataset.rule;
  node.replaceChildren(...rules.map((rule) => card(rule, costs?.filter((cost) => cost.name === rule.name), { onWhy, onLight })));
  if (open) node.querySelector(`[data-rule="${CSS.escape(open)}"] button`)?.focus();
}

function card(rule, costs, { onWhy, onLight }) {
  const said = element("h3", "", element("span", "", rule.name), state(costs, rule.factor));
  said.append(element("span", "about", `${rule.weight}, ${rule.level} level`));
  const article = element("article", "rule", said, element("p", "means", rule.means));
  article.dataset.rule = rule.name;
  const instances = (costs ?? []).flatMap((cost) => cost.instances.map((one) => ({ ...one, datum: cost.datum })));
  if (instances.length) {
    const list = element("ol", "instances", ...instances.map((one) => row(one, onLight)));
    list.setAttribute("aria-label", `What breaks ${rule.name}`);
    article.append(list);
    const more = costs.reduce((sum, cost) => sum + cost.more, 0);
    const why = element("button", "", "Why, and what mends it");
    why.type = "button";
    why.onclick = () => onWhy(rule.name);
    article.append(element("div", "actions", why, more ? `and ${more} more` : ""));
  }
  return article;
}

function state(costs, factor) {
  if (!costs?.length) return element("span", "empty", "not worked out: see what is said of it");
  const problem = costs.find((cost) => cost.problem);
  if (problem) return element("span", "empty", problem.problem);
  const mean = costs.reduce((sum, cost) => sum + cost.violation, 0) / costs.length;
  if (costs.every((cost) => !cost.applies)) return element("span", "holds", "asks nothing here");
  if (mean === 0) return element("span", "holds", "✓ holds");
  const weighed = factor === null || factor === 1 ? "" : ` × ${amount(factor)} = ${amount(mean * factor)}`;
  return element("span", "costs", `✗ costs ${amount(mean)}${weighed}${costs.length > 1 ? ` on average of ${costs.length} data` : ""}`);
}

function row(one, onLight) {
  const at = Object.entries(one.at).map(([name, value]) => `${name}=${value}`);
  const where = (one.datum.length ? [`datum ${one.datum.join(", ")}`, ...at] : at).join(", ");
  const parts = [element("span", "index", where), element("span", "amount", amount(one.violation)), element("span", "text", one.text)];
  const item = element("li", "", ...parts);
  item.tabIndex = 0;
  item.onpointerenter = item.onfocus = () => onLight(one.reads);
  item.onpointerleave = item.onblur = () => onLight([]);
  return item;
}

// Rules whose text has an error are not among `rules`: of these only the findings tell.
export function showTotal(node, rules, costs, failed) {
  const names = (kept) => new Set(costs.filter(kept).map((cost) => cost.name));
  const worked = names((cost) => !cost.problem), broken = names((cost) => cost.violation > 0);
  const left = rules.length - worked.size;
  const parts = [broken.size ? `${broken.size} broken` : worked.size && (left || failed ? `${worked.size} kept` : "all kept")];
  if (left) parts.push(`${left} not worked out`);
  else if (failed) parts.push("some cannot be read");
  node.textContent = rules.length ? `— ${parts.filter(Boolean).join(", ")}` : "";
}
