// The browser of examples: filters, a list of which only what is seen exists, and keys.

const ROW = 58; // pixels; as in page.css
const NAMES = {
  weak_floor: "weak floor", supervisor: "supervisor", student: "student", strong_ceiling: "ceiling",
};
const roleName = (role) => NAMES[role] || role.replaceAll("_", " ");

/** The data of one view, as functions of a row's place in it. */
class View {
  constructor(data, number) {
    this.data = data;
    this.view = data.views[number];
    this.count = this.view.n;
    this.gold = data.columns[this.view.gold];
    this.weak = data.columns[this.view.weak];
    const roles = this.view.roles;
    const named = (role) => roles.find((r) => r.role === role);
    this.subject = named("student") || null;
    this.ceiling = named("strong_ceiling") || null;
    this.student = this.subject && data.columns[this.subject.column];
    this.members = this.view.labels.filter((l) => l.what.startsWith("member "));
    const talks = this.view.talks.map((t) => data.talks[t]);
    const together = (part) => new Set(talks.flatMap((t) => t[part]));
    this.turns = together("turns");
    this.flipped = together("flipped");
    this.unscored = together("unscored");
  }

  /** Number of the example at a place. */
  example(i) {
    const rows = this.view.rows;
    return typeof rows === "number" ? rows + i : rows[i];
  }

  right(column, i) {
    return column.a[i] >= 0 && column.a[i] === this.gold.a[i];
  }

  /** An answer as text: a class, one of the example's own choices, or what was written. */
  answer(column, i) {
    const a = column.a[i];
    if (a < 0) return "no answer";
    if (this.data.kind === "generation") return this.data.texts[a];
    return this.choiceName(i, a);
  }

  choiceName(i, choice) {
    const own = this.choices(i);
    return own[choice] ?? String(choice);
  }

  choices(i) {
    const own = this.data.choices[this.example(i)];
    return own && own.length ? own.map((t) => this.data.texts[t]) : this.data.classes;
  }

  /** Probabilities in [0, 1] with the choices they belong to; empty where there are none. */
  probabilities(column, i) {
    if (!column.p || column.a[i] < 0) return [];
    const values = column.p.map((p) => p[i] / 1000);
    if (values.length > 1) return values.map((p, choice) => [choice, p]);
    if (this.choices(i).length === 2) return [[0, 1 - values[0]], [1, values[0]]];
    return [[column.a[i], values[0]]];
  }

  /** Probability of the answer that was given; 0 where there is none. */
  confidence(column, i) {
    const found = this.probabilities(column, i).find(([choice]) => choice === column.a[i]);
    return found ? found[1] : 0;
  }

  /** How far the probabilities of weak label and student are apart: total variation. */
  distance(i) {
    if (!this.student) return 0;
    const weak = this.probabilities(this.weak, i);
    const student = new Map(this.probabilities(this.student, i));
    if (!weak.length || !student.size) return this.weak.a[i] === this.student.a[i] ? 0 : 1;
    return weak.reduce((sum, [c, p]) => sum + Math.abs(p - (student.get(c) ?? 0)), 0) / 2;
  }

  text(i) {
    return this.data.texts[this.data.prompts[this.example(i)]];
  }

  /** Filters that make sense here: [id, label, test]. */
  filters() {
    const weak = (i) => this.right(this.weak, i);
    const out = [["all", "all rows", () => true]];
    const add = (id, label, test) => out.push([id, label, test]);
    if (this.student) {
      const student = (i) => this.right(this.student, i);
      const same = (i) => this.student.a[i] === this.weak.a[i];
      add("corrected", "student right, weak label wrong", (i) => student(i) && !weak(i));
      add("broken", "student wrong, weak label right", (i) => !student(i) && weak(i));
      add("copied", "student repeats a wrong weak label", (i) => !student(i) && same(i));
      add("disagree", "student and weak label differ", (i) => !same(i));
      add("student-wrong", "student wrong", (i) => !student(i));
    }
    if (this.student && this.ceiling) {
      const ceiling = this.data.columns[this.ceiling.column];
      add("short", "ceiling right, student wrong", (i) => this.right(ceiling, i) && !this.right(this.student, i));
    }
    add("weak-wrong", "weak label wrong", (i) => !weak(i));
    if (this.weak.a.includes(-1)) add("none", "no weak label", (i) => this.weak.a[i] < 0);
    if (this.members.length > 1) {
      const columns = this.members.map((m) => this.data.columns[m.column]);
      add("members", "members of the ensemble differ", (i) => columns.some((c) => c.a[i] !== columns[0].a[i]));
    }
    if (this.turns.size) add("talked", "with a transcript", (i) => this.turns.has(this.example(i)));
    if (this.flipped.size) add("flipped", "verdict flips with the order", (i) => this.flipped.has(this.example(i)));
    if (this.unscored.size) add("unscored", "no verdict", (i) => this.unscored.has(this.example(i)));
    return out;
  }

  /** Orders: [id, label, number to sort by, least first]. */
  orders() {
    const out = [["given", "as in the data", null]];
    if (this.student) out.push(["distance", "most disagreement first", (i) => -this.distance(i)]);
    for (const [id, column, name] of [["student", this.student, "student"], ["weak", this.weak, "weak label"]]) {
      if (!column || !column.p) continue;
      out.push([`${id}-high`, `${name} most confident first`, (i) => -this.confidence(column, i)]);
      out.push([`${id}-low`, `${name} least confident first`, (i) => this.confidence(column, i)]);
    }
    return out;
  }
}

/** List, filters and the example that is open. */
class Browser {
  constructor(data) {
    this.data = data;
    this.places = [];
    this.current = -1;
    this.lower = null;
    fill($("view"), data.views.map((v, i) => [i, `${v.title} (${v.n})`]));
    $("view").closest("label").hidden = data.views.length < 2;
    for (const id of ["filter", "gold", "order"]) $(id).onchange = () => this.choose();
    $("view").onchange = () => this.open(Number($("view").value));
    let waiting = 0;
    $("search").oninput = () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.choose(), 120);
    };
    $("rows").onscroll = () => this.draw();
    $("rows").onkeydown = (event) => this.key(event);
    new ResizeObserver(() => this.draw()).observe($("rows"));
    $("browser").hidden = false;
    this.open(0);
  }

  /** Go to a view. */
  open(number) {
    const view = (this.view = new View(this.data, number));
    $("view").value = number;
    const keep = $("filter").value;
    this.tests = view.filters();
    fill($("filter"), this.tests);
    if (this.tests.some(([id]) => id === keep)) $("filter").value = keep;
    this.sorts = view.orders();
    fill($("order"), this.sorts);
    const classes = this.data.kind === "generation" ? [] : this.data.classes;
    fill($("gold"), [["", "any"], ...classes.map((c, i) => [i, plain(c)])]);
    $("gold").closest("label").hidden = !classes.length;
    this.cross();
    this.choose();
  }

  /** How often student and weak label are right, as buttons that filter. */
  cross() {
    const view = this.view;
    $("cross").hidden = !view.student;
    if (!view.student) return;
    const counts = { tt: 0, tf: 0, ft: 0, ff: 0 };
    for (let i = 0; i < view.count; i++) {
      counts[(view.right(view.student, i) ? "t" : "f") + (view.right(view.weak, i) ? "t" : "f")]++;
    }
    for (const [id, value] of Object.entries(counts)) {
      const share = view.count ? ((100 * value) / view.count).toFixed(1) : "0";
      $(`cross-${id}`).replaceChildren(`${value}`, h("small", {}, ` ${share}%`));
    }
    const both = (s, w) => (i) => view.right(view.student, i) === s && view.right(view.weak, i) === w;
    for (const [id, test] of [["tt", both(true, true)], ["tf", both(true, false)], ["ft", both(false, true)], ["ff", both(false, false)]]) {
      $(`cross-${id}`).onclick = () => {
        $("filter").value = "all";
        this.choose(test);
      };
    }
  }

  /** Apply filters, search and order. */
  choose(more) {
    const view = this.view;
    const test = this.tests.find(([id]) => id === $("filter").value)[2];
    const gold = $("gold").value;
    const words = $("search").value.trim().toLowerCase();
    if (words && !this.lower) this.lower = this.data.texts.map((t) => t.toLowerCase());
    const holds = (i) => {
      const example = view.example(i);
      const own = this.data.choices[example] || [];
      if (this.lower[this.data.prompts[example]].includes(words)) return true;
      return own.some((t) => this.lower[t].includes(words)) || this.data.ids[example].startsWith(words);
    };
    const places = [];
    for (let i = 0; i < view.count; i++) {
      if (!test(i) || (more && !more(i))) continue;
      if (gold !== "" && view.gold.a[i] !== Number(gold)) continue;
      if (words && !holds(i)) continue;
      places.push(i);
    }
    const by = this.sorts.find(([id]) => id === $("order").value)[2];
    if (by) {
      const value = new Map(places.map((i) => [i, by(i)]));
      places.sort((a, b) => value.get(a) - value.get(b) || a - b);
    }
    this.places = places;
    this.current = -1;
    const all = view.view.of > view.count ? `${view.count} shown of ${view.view.of}` : `${view.count}`;
    $("count").textContent = `${places.length} of ${all} rows`;
    $("space").style.height = `${places.length * ROW}px`;
    $("rows").scrollTop = 0;
    this.draw();
    this.show(places.length ? 0 : -1, false);
  }

  /** Make the rows that are in sight. */
  draw() {
    const top = $("rows").scrollTop;
    const first = Math.max(0, Math.floor(top / ROW) - 4);
    const last = Math.min(this.places.length, Math.ceil((top + $("rows").clientHeight) / ROW) + 4);
    const made = [];
    for (let n = first; n < last; n++) made.push(this.row(n));
    $("space").replaceChildren(...made);
  }

  row(n) {
    const view = this.view;
    const i = this.places[n];
    const marks = [mark("weak", view.right(view.weak, i), view.weak.a[i] < 0)];
    if (view.student) marks.push(mark("student", view.right(view.student, i), view.student.a[i] < 0));
    const example = view.example(i);
    if (view.turns.has(example)) marks.push(h("span", { className: "tag" }, "transcript"));
    if (view.flipped.has(example)) marks.push(h("span", { className: "tag" }, "flipped"));
    if (view.unscored.has(example)) marks.push(h("span", { className: "tag" }, "no verdict"));
    const row = h(
      "div",
      { className: "row", id: `row-${n}`, role: "option", onclick: () => this.show(n, true) },
      said(view.text(i).slice(0, 300).replace(/\s+/g, " ") || this.data.ids[example], "line"),
      h("span", { className: "marks" }, h("span", { className: "tag" }, "gold: ", said(short(view.answer(view.gold, i)))), marks),
    );
    row.style.top = `${n * ROW}px`;
    row.setAttribute("aria-selected", n === this.current ? "true" : "false");
    row.setAttribute("aria-posinset", n + 1);
    row.setAttribute("aria-setsize", this.places.length);
    return row;
  }

  /** Open the example at a place of the list; with ``go`` the page follows. */
  show(n, go) {
    this.current = n;
    if (n >= 0) {
      const top = n * ROW;
      const box = $("rows");
      if (top < box.scrollTop) box.scrollTop = top;
      if (top + ROW > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW - box.clientHeight;
      box.setAttribute("aria-activedescendant", `row-${n}`);
    }
    this.draw();
    showExample(this, n < 0 ? -1 : this.places[n]);
    if (!go) return;
    const example = this.data.ids[this.view.example(this.places[n])];
    history.replaceState(null, "", `#example=${$("view").value}:${encodeURIComponent(example)}`);
    if (matchMedia("(max-width: 56rem)").matches) $("example").scrollIntoView({ block: "start" });
  }

  step(by) {
    const n = Math.min(this.places.length - 1, Math.max(0, this.current + by));
    if (this.places.length) this.show(n, true);
  }

  key(event) {
    const page = Math.max(1, Math.floor($("rows").clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.step(steps[event.key]);
  }

  /** Open what the address names: ``#example=VIEW:ID``. */
  follow() {
    const found = location.hash.match(/^#example=(\d+):(.*)$/);
    if (!found || !this.data.views[found[1]]) return;
    $("filter").value = "all";
    $("search").value = "";
    this.open(Number(found[1]));
    let wanted = "";
    try { wanted = decodeURIComponent(found[2]); } catch { return; }
    const n = this.places.findIndex((i) => this.data.ids[this.view.example(i)] === wanted);
    if (n < 0) return;
    this.show(n, true);
    $("example").scrollIntoView({ block: "nearest" });
  }
}

/** Right or wrong as a sign with a word, never by colour alone. */
function mark(who, right, none) {
  const sign = none ? "–" : right ? "✓" : "✗";
  return h("span", { className: `tag ${none ? "" : right ? "right" : "wrong"}` }, `${who} ${sign}`);
}

function short(text) {
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

function fill(select, options) {
  select.replaceChildren(...options.map(([value, label]) => h("option", { value }, plain(label))));
}
