// A text area with its text in colours below it: what is typed is plain, and everything the browser does with text works.

const TOKEN = /(#.*)|("[^"\n]*"?)|(\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|([\s\S])/g;

const escape = (text) => text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);

// Python counts characters, JavaScript halves of those beyond the first 65,536.
export const offset = (line, column) => [...line].slice(0, column - 1).join("").length;

export class Editor {
  constructor(folder, onInput) {
    this.text = folder.querySelector("textarea");
    this.underlay = folder.querySelector(".underlay");
    this.gutter = folder.querySelector(".gutter");
    this.words = { keyword: new Set(), builtin: new Set() };
    this.findings = [];
    this.text.addEventListener("input", () => {
      this.findings = []; // they were of another text: better no mark than one at the wrong place
      this.draw();
      onInput();
    });
    this.text.addEventListener("scroll", () => this.scroll());
    this.text.addEventListener("keydown", (event) => this.indent(event));
  }

  get value() {
    return this.text.value;
  }

  set value(text) {
    this.text.value = text;
    this.findings = [];
    this.draw();
  }

  // Findings have `line`, `column`, `end_line`, `end_column` and `severity`.
  mark(findings) {
    this.findings = findings.filter((found) => found.line !== null);
    this.draw();
  }

  // Where a place, by line and column, is in the text.
  at(line, column) {
    const lines = this.value.split("\n");
    const before = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    return before + offset(lines[line - 1] ?? "", column);
  }

  // Written as if it was typed, so that undo takes it back.
  mend({ line, column, end_line, end_column, text }) {
    this.text.focus();
    this.text.setSelectionRange(this.at(line, column), this.at(end_line, end_column));
    document.execCommand(text ? "insertText" : "delete", false, text);
  }

  select(found) {
    const start = this.at(found.line, found.column);
    this.text.focus();
    this.text.setSelectionRange(start, start);
    this.text.scrollTop = Math.max(0, (found.line - 4) * parseFloat(getComputedStyle(this.text).lineHeight));
  }

  // Enter keeps a continued line's white space.
  indent(event) {
    if (event.key !== "Enter" || event.isComposing || event.ctrlKey || event.metaKey) return;
    const start = this.text.selectionStart;
    const line = this.value.slice(this.value.lastIndexOf("\n", start - 1) + 1, start);
    const space = line.match(/^[ \t]+/)?.[0];
    if (!space) return;
    event.preventDefault();
    document.execCommand("insertText", false, "\n" + space);
  }

  draw() {
    const lines = this.value.split("\n");
    const worst = new Map();
    for (const { line, severity } of this.findings) if (worst.get(line) !== "error") worst.set(line, severity);
    this.gutter.innerHTML = lines.map((_, at) => this.number(at + 1, worst.get(at + 1))).join("\n");
    this.underlay.innerHTML = lines.map((line, at) => this.line(line, at + 1)).join("\n") + "\n";
    this.scroll();
  }

  number(line, severity) {
    return severity ? `<span class="${severity}">${line}</span>` : String(line);
  }

  // A line in colours, cut where marks begin and end.
  line(text, number) {
    const marks = this.findings
      .filter((found) => found.line <= number && number <= found.end_line)
      .map((found) => {
        const start = found.line === number ? offset(text, found.column) : 0;
        const end = found.end_line === number ? offset(text, found.end_column) : text.length;
        return { start: Math.min(start, Math.max(text.length - 1, 0)), end: Math.max(end, start + 1), of: found.severity };
      });
    const cuts = new Set([0, text.length, ...marks.flatMap(({ start, end }) => [start, Math.min(end, text.length)])]);
    let html = "";
    let at = 0;
    for (const token of text.matchAll(TOKEN)) {
      const kind = this.kind(token);
      const places = [...cuts].filter((cut) => cut > at && cut < at + token[0].length).sort((a, b) => a - b);
      for (const end of [...places, at + token[0].length]) {
        const under = marks.filter((mark) => mark.start <= at && at < mark.end);
        const piece = `<span class="${kind}">${escape(text.slice(at, end))}</span>`;
        const of = under.some((mark) => mark.of === "error") ? "error" : "warning";
        html += under.length ? `<mark class="${of}">${piece}</mark>` : piece;
        at = end;
      }
    }
    return html;
  }

  kind([, comment, string, number, word]) {
    if (comment) return "comment";
    if (string) return "string";
    if (number) return "number";
    return this.words.keyword.has(word) ? "keyword" : this.words.builtin.has(word) ? "builtin" : "";
  }

  scroll() {
    this.underlay.scrollTop = this.gutter.scrollTop = this.text.scrollTop;
    this.underlay.scrollLeft = this.text.scrollLeft;
  }
}
