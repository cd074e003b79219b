// One example: its text, what each model said, where the weak label comes from, and what was argued.

/** Show an example in the pane beside the list; −1 for none. */
function showExample(browser, i) {
  const pane = $("example");
  if (i < 0) {
    pane.replaceChildren(h("p", { className: "quiet" }, "No row fits."));
    return;
  }
  const view = browser.view;
  const number = view.example(i);
  pane.replaceChildren(
    h(
      "div",
      { className: "bar" },
      h("button", { type: "button", onclick: () => browser.step(-1), title: "previous row" }, "← previous"),
      h("button", { type: "button", onclick: () => browser.step(1), title: "next row" }, "next →"),
      h("code", { className: "quiet" }, plain(browser.data.ids[number])),
    ),
    h("h3", {}, "Text"),
    h("p", { className: "text" }, said(view.text(i) || "(the text is not in the store any more)")),
    view.data.kind === "generation" ? "" : choiceList(view, i),
    h("h3", {}, "Answers"),
    answerTable(view, i),
    h("h3", {}, "Where the weak label comes from"),
    sourceList(view, i),
    h("div", { id: "talk" }),
  );
  pane.scrollTop = 0;
  if (view.view.talks.length) showTalks(browser, i);
}

/** The choices, where each example has its own. */
function choiceList(view, i) {
  const own = view.data.choices[view.example(i)];
  if (!own || !own.length) return "";
  const gold = view.gold.a[i];
  const items = view.choices(i).map((text, c) => h("li", { className: c === gold ? "gold" : "" }, said(text), c === gold ? " (gold)" : ""));
  return h("ol", { className: "choices", start: 0 }, items);
}

function answerTable(view, i) {
  const rows = [answerRow("gold", "", view, view.gold, i, true)];
  for (const role of view.view.roles) {
    rows.push(answerRow(role.name || roleName(role.role), role.model, view, view.data.columns[role.column], i, false, role.role));
  }
  return h("div", { className: "scroll" }, h("table", { className: "answers" }, h("tbody", {}, rows)));
}

function answerRow(name, model, view, column, i, gold, role) {
  const sign = gold ? "" : view.right(column, i) ? "✓" : column.a[i] < 0 ? "–" : "✗";
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, role ? h("span", { className: `key ${role}` }) : "", plain(name), model ? h("span", { className: "quiet" }, " ", said(model)) : ""),
    h("td", {}, said(view.answer(column, i))),
    h("td", { title: sign === "✓" ? "right" : sign === "✗" ? "wrong" : "" }, sign),
    h("td", {}, bars(view, view.probabilities(column, i), i, role)),
  );
}

/** Probabilities as bars with their numbers. */
function bars(view, probabilities, i, role = "") {
  if (!probabilities.length) return "";
  const rounded = probabilities.map(([, p]) => Math.round(100 * p) / 100);
  if (rounded.length === 2) rounded[0] = 1 - rounded[1]; // two numbers that add up to one
  const shown = probabilities.map(([choice, p], n) => {
    const bar = h("span", { className: `fill ${role}` });
    bar.style.width = `${Math.round(100 * p)}%`;
    return h("span", { className: "prob", title: plain(view.choiceName(i, choice)) }, h("span", { className: "track" }, bar), ` ${rounded[n].toFixed(2)} `, said(short(view.choiceName(i, choice)), "quiet"));
  });
  return h("span", { className: "probs" }, shown);
}

/** From the label that the student is taught back to the teacher's training and the evidence. */
function sourceList(view, i) {
  const items = [];
  for (const label of view.view.labels) {
    const column = view.data.columns[label.column];
    const text = view.answer(column, i);
    const sure = view.confidence(column, i);
    items.push(h("li", {}, `${plain(label.what)}: `, h("strong", {}, said(text)), sure ? ` ${sure.toFixed(2)}` : "", " ", stageLink(label.stage)));
  }
  for (const [what, stage, about] of view.view.makers) {
    items.push(h("li", {}, `${what} (${plain(about)}) `, stageLink(stage)));
  }
  for (const talk of view.view.talks.map((t) => view.data.talks[t])) {
    const here = talk.turns.includes(view.example(i));
    if (here) items.push(h("li", {}, `evidence of ${plain(talk.protocol.split("/").pop())} `, stageLink(talk.stage)));
  }
  for (const stage of view.view.readers) items.push(h("li", {}, "a student was trained on it ", stageLink(stage)));
  if (!items.length) return h("p", { className: "quiet" }, "The stages behind it are not known: the store was cleaned, or an earlier version made the run.");
  return h("ol", { className: "sources" }, items);
}

let talksPromise = null;

/** Turns and verdicts of an example; they are unpacked when the first is asked for. */
async function showTalks(browser, i) {
  const place = $("talk");
  talksPromise = talksPromise || unpack("talks");
  const all = await talksPromise;
  if (!place.isConnected) return; // another example was opened meanwhile
  const view = browser.view;
  const key = String(view.example(i));
  for (const number of view.view.talks) {
    const { turns, verdicts } = all[number];
    const about = browser.data.talks[number];
    if (verdicts[key]) place.append(verdictBox(view, i, verdicts[key], about));
    if (turns[key]) place.append(transcript(view, i, turns[key], about));
    else if (about.turns.includes(view.example(i))) {
      place.append(h("p", { className: "quiet" }, "This transcript is left out of the page for its size; it is in transcripts.jsonl of ", stageLink(about.stage), "."));
    }
  }
}

function verdictBox(view, i, verdict, about) {
  const facts = [];
  if (verdict.status !== "ok") facts.push(h("p", {}, h("strong", {}, "No verdict: "), said(verdict.reason || "no reason was recorded")));
  else {
    facts.push(h("p", {}, h("strong", {}, said(view.choiceName(i, verdict.label))), ` by ${plain(verdict.method)}`,
      verdict.mass === null ? "" : `, answers hold ${verdict.mass.toFixed(2)} of the probability`,
      verdict.censored ? ", an answer was missing from what the server lists" : "",
      verdict.flipped ? h("strong", {}, "; flips with the order") : ""));
  }
  const rows = verdict.orders.map((one, n) =>
    h("tr", {}, h("th", { scope: "row" }, `order ${n + 1}: `, said(one.order.map((c) => view.choiceName(i, c)).join(", ") || "as given")),
      h("td", {}, bars(view, one.p.map((p, c) => [c, p]), i))));
  return h("section", { className: "verdict" }, h("h3", {}, "Verdict"), facts,
    rows.length ? h("div", { className: "scroll" }, h("table", { className: "answers" }, h("tbody", {}, rows))) : "", h("p", { className: "quiet" }, stageLink(about.stage)));
}

/** A transcript with its filters; two orders stand side by side. */
function transcript(view, i, turns, about) {
  const body = h("div", { className: "orders" });
  const speakers = [...new Set(turns.map((t) => t.speaker))];
  const who = h("select", {});
  fill(who, [["", "everybody"], ...speakers.map((s) => [s, s])]);
  const hidden = h("input", { type: "checkbox" });
  const unverified = h("input", { type: "checkbox" });
  const draw = () => {
    const shown = turns.filter((t) => (!who.value || t.speaker === who.value) && (hidden.checked || !t.visibility)
      && (!unverified.checked || (t.quotes || []).some(([, found]) => !found)));
    const orders = [...new Set(shown.map((t) => t.order))].sort();
    body.replaceChildren(...orders.map((order) =>
      h("div", { className: "order" }, orders.length > 1 ? h("h4", {}, `Order ${order + 1}`) : "",
        shown.filter((t) => t.order === order).map((t) => turnBox(view, i, t, speakers)))));
    if (!shown.length) body.append(h("p", { className: "quiet" }, "No turn fits."));
  };
  who.onchange = hidden.onchange = unverified.onchange = draw;
  draw();
  const some = (test) => turns.some(test);
  return h("section", { className: "transcript" },
    h("h3", {}, `Transcript: ${plain(about.protocol.split("/").pop())}`),
    h("div", { className: "controls" }, h("label", {}, "Speaker ", who),
      some((t) => t.visibility) ? h("label", {}, hidden, " candidates that were not taken") : "",
      some((t) => (t.quotes || []).some(([, found]) => !found)) ? h("label", {}, unverified, " with quotes that were not found") : ""),
    body, h("p", { className: "quiet" }, stageLink(about.stage)));
}

function turnBox(view, i, turn, speakers) {
  const side = turn.side === undefined ? "" : h("span", {}, " for ", said(view.choiceName(i, turn.side)));
  const quotes = (turn.quotes || []).map(([text, found]) =>
    h("li", { className: found ? "right" : "wrong" }, found ? "✓ in the text: " : "✗ not in the text: ", said(text)));
  return h("div", { className: `turn speaker-${speakers.indexOf(turn.speaker) % 4}` },
    h("p", { className: "quiet" }, h("strong", {}, said(turn.speaker)), side, ` · round ${turn.round}`,
      turn.sample ? ` · candidate ${turn.sample + 1}` : "", turn.visibility ? " · not taken" : "",
      (turn.flags || []).length ? ` · ${plain(turn.flags.join(", "))}` : ""),
    h("p", { className: "text" }, said(turn.text)),
    quotes.length ? h("ul", { className: "quotes" }, quotes) : "",
    turn.said === undefined ? "" : h("details", {}, h("summary", {}, "as it was written"), h("p", { className: "text" }, said(turn.said))));
}

/** Begin: unpack the examples, if the page has any. */
async function begin() {
  if ($("data")) {
    try {
      const browser = new Browser(await unpack("data"));
      addEventListener("hashchange", () => browser.follow());
      browser.follow();
    } catch (error) {
      $("no-browser").hidden = false;
      $("no-browser").textContent = `The examples cannot be shown: ${error.message}. A current browser is needed.`;
      document.documentElement.dataset.error = String(error.stack);
    }
  }
  document.documentElement.dataset.ready = "true";
}
begin();
