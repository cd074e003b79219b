"use strict";
// Helpers of the page. Text from a run reaches it through textContent alone, never as markup.

const $ = (id) => document.getElementById(id);

/** An element with properties and children; strings become text. */
function h(tag, properties, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== "") made.append(child);
  }
  return made;
}

// Control characters, and marks that would let a text change the direction of what is around it.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** A text as it can be shown: hidden characters as escapes. */
function plain(text) {
  return String(text).replace(HIDDEN, (c) => "\\u" + c.codePointAt(0).toString(16).padStart(4, "0"));
}

/** Text from outside in an element of its own, so that its direction stays its own. */
function said(text, className) {
  return h("bdi", { dir: "auto", className: className || "" }, plain(text));
}

/** What the page carries under an id: base64 of deflated JSON. */
async function unpack(id) {
  const base64 = $(id).textContent.trim();
  let bytes;
  if (Uint8Array.fromBase64) {
    bytes = Uint8Array.fromBase64(base64);
  } else {
    const binary = atob(base64);
    bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  }
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

/** Show an element that may lie in closed details. */
function reveal(element) {
  for (let e = element; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
  element.scrollIntoView({ block: "center" });
  for (const other of document.querySelectorAll(".found")) other.classList.remove("found");
  element.classList.add("found");
}

// On paper there is nothing to click: what belongs to the results is opened, and closed again after.
const opened = [];
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details.on-paper:not([open])")) {
    one.open = true;
    opened.push(one);
  }
});
addEventListener("afterprint", () => {
  for (const one of opened.splice(0)) one.open = false;
});

/** The row of a stage in the table of stages, or null. */
function stageRow(stage) {
  for (const row of document.querySelectorAll("[data-stage]")) {
    if (row.dataset.stage === stage) return row;
  }
  return null;
}

/** A stage's name, as a button that leads to it in the table of stages. */
function stageLink(stage) {
  const name = said(stage);
  if (!stageRow(stage)) return h("code", {}, name);
  return h("button", { type: "button", className: "link", onclick: () => reveal(stageRow(stage)) }, h("code", {}, name));
}
