// Commands: those that wait, with their signatures and what each would change, and those that are answered.

import { ago, cell, code, count, fill, foreign, h, moment, pill, rows } from "./dom.js";

const LEVELS = { PENDING: "warn", PARTIAL: "warn", APPROVED: "good", WAITING: "warn", executed: "good" };
const MEANINGS = {
  PENDING: "no current custodian has signed it; anybody may have written it",
  PARTIAL: "a signature is missing",
  APPROVED: "all have signed; the agent has not answered yet",
  WAITING: "a replacement waits for a veto",
};

export function drawCommands({ commands }) {
  const cards = commands.waiting.map(card);
  const hidden = commands.signed + commands.unsigned - commands.waiting.length;
  if (hidden > 0) cards.push(h("p", { class: "muted" }, `and ${count(hidden)} more: \`aegis control log\` lists them all`));
  fill("waiting", cards.length ? cards : h("p", { class: "panel muted" }, "None."));
  document.getElementById("answered-count").textContent = `(${commands.answered.length})`;
  rows("answered", 5, commands.answered, (each) => [
    cell(moment(each.result?.decided_at)),
    h("th", { scope: "row" }, each.kind ?? "?", " ", code(each.id)),
    cell(pill(LEVELS[each.state] ?? "bad", each.state)),
    cell(signers(each).join(", ")),
    cell(foreign(each.result?.message || each.message || each.command?.reason)),
  ], "None that the topic still holds.");
}

function card(each) {
  const command = each.command;
  return h(
    "article",
    { class: "panel command", "aria-labelledby": `c-${each.id}`, "data-key": each.id },
    h(
      "header",
      {},
      h("h3", { id: `c-${each.id}` }, each.kind ?? "a command"),
      pill(LEVELS[each.state] ?? "bad", each.state),
      h("span", { class: "muted" }, MEANINGS[each.state] ?? each.message),
    ),
    h(
      "dl",
      { class: "facts" },
      fact("Why", foreign(command?.reason)),
      fact("Signatures", h("ul", { class: "signatures" }, signatures(each))),
      fact("Would change", changes(each)),
      fact("Asked for", [ago(command?.issued_at), ", lapses ", ago(command?.expires_at)]),
      fact("Does not count", each.ignored.map((one) => `${one.record} (${one.reason})`).join(", ")),
      fact("To answer", [code(`aegis control approve ${each.id} --key FILE`), " or ", code("reject")]),
    ),
    h(
      "details",
      { "data-key": `arguments-${each.id}` },
      h("summary", {}, "Arguments"),
      h("dl", { class: "facts" }, (command?.arguments ?? []).map(([name, value]) => fact(name, foreign(text(value))))),
      command?.arguments.length ? null : h("p", { class: "muted" }, "It has none."),
    ),
  );
}

function fact(name, value) {
  if (value === null || value === undefined || value === "" || (Array.isArray(value) && !value.length)) return [];
  return [h("dt", {}, name), h("dd", {}, value)];
}

function signers(each) {
  return each.signed_by.map((slot, index) => `${slot} ${each.signer_keys[index]}`);
}

function signatures(each) {
  return [
    signers(each).map((name) => h("li", {}, pill("good", `signed: ${name}`))),
    each.rejected_by.map((role) => h("li", {}, pill("bad", `rejected: ${role}`))),
    each.missing.map((slot) => h("li", {}, pill("warn", `missing: ${slot}`))),
  ];
}

function changes(each) {
  if (each.would_be_refused) return [pill("bad", "would be refused"), " ", foreign(each.would_be_refused)];
  if (!each.changes.length) return "nothing";
  return h("ul", { class: "changes" }, each.changes.map((line) => h("li", {}, foreign(line))));
}

function text(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
