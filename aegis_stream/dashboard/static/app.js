// The stream of sections, and what is drawn anew when one changes.

import { fill, setNow, showAges } from "./dom.js";
import { drawCommands } from "./commands.js";
import { drawCustodians, drawKeyring } from "./keyring.js";
import { drawAttention, drawEnrichers, drawFigures, drawLetters, drawRefusals, drawTrail } from "./sections.js";

const AGES_MS = 5000;
const SILENT_MS = 45000; // the server speaks every 15 s at least

/** Each drawing, and the sections that it is made of. */
const DRAWINGS = [
  [drawAttention, ["attention"]],
  [drawFigures, ["traffic", "dead_letters", "manifest", "commands"]],
  [drawCommands, ["commands"]],
  [drawEnrichers, ["enrichers", "manifest"]],
  [drawKeyring, ["keyring"]],
  [drawCustodians, ["custodians"]],
  [drawLetters, ["dead_letters", "marks"]],
  [drawRefusals, ["traffic", "refused"]],
  [drawTrail, ["trail"]],
];

const state = {};

function take({ now, sections }) {
  setNow(now);
  const before = { ...state };
  Object.assign(state, sections);
  for (const [draw, names] of DRAWINGS) {
    if (names.some((name) => name in sections)) draw(state);
  }
  if (sections.manifest) {
    document.getElementById("deployment").textContent = state.manifest.deployment;
    document.title = `${state.manifest.deployment}: aegis-stream`;
  }
  announce(before, sections);
}

/** Say in one sentence what somebody who does not see the page must know. */
function announce(before, sections) {
  const said = [];
  if (sections.attention && before.attention) {
    const known = new Set(before.attention.map((each) => each.what));
    said.push(...sections.attention.filter((each) => !known.has(each.what)).map((each) => each.what));
    if (!sections.attention.length) said.push("All is well again.");
  }
  if (sections.commands && before.commands) {
    const states = new Map(before.commands.waiting.map((each) => [each.id, each.state]));
    for (const each of sections.commands.waiting) {
      if (states.get(each.id) !== each.state) said.push(`Command ${each.kind} is ${each.state}.`);
    }
    const gone = sections.commands.answered.filter((each) => states.has(each.id));
    said.push(...gone.map((each) => `Command ${each.kind}: ${each.state}.`));
  }
  if (said.length) document.getElementById("announcer").textContent = said.join(" ");
}

function connection(level, text) {
  const shown = document.getElementById("connection");
  if (shown.textContent === text) return;
  shown.textContent = text;
  shown.dataset.level = level;
}

let heardAt = Date.now();

const stream = new EventSource("/events");
stream.addEventListener("open", () => connection("good", "live"));
stream.addEventListener("beat", heard);
stream.addEventListener("state", (event) => {
  heard();
  take(JSON.parse(event.data));
});
stream.addEventListener("error", () => {
  const ended = stream.readyState === EventSource.CLOSED;
  connection("bad", ended ? "not connected: load the page again" : "connection lost, trying again");
  if (ended) fill("announcer", "The page is no longer up to date. Load it again.");
});
function heard() {
  heardAt = Date.now();
  connection("good", "live");
}

setInterval(() => {
  showAges();
  if (Date.now() - heardAt > SILENT_MS) connection("bad", "nothing heard for a while");
}, AGES_MS);

// Signing out is of use only where there was something to sign in to; the cookie itself is out of a script's reach.
fetch("/login", { redirect: "manual" }).then((answer) => {
  document.getElementById("leave").hidden = answer.type === "opaqueredirect";
}).catch(() => connection("bad", "connection lost, trying again"));

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.activeElement?.closest("details[open]")) {
    const details = document.activeElement.closest("details[open]");
    details.open = false;
    details.querySelector("summary").focus();
  }
});

