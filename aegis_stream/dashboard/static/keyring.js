// The keyring and the custodians.

import { ago, cell, code, fill, foreign, h, moment, pill, rows } from "./dom.js";

const LEVELS = {
  active: "good", current: "good", "decrypt-only": null, grace: "warn", waiting: "warn", retired: null,
  revoked: "bad", destroyed: "bad",
};

function state(name) {
  return pill(LEVELS[name], name);
}

export function drawKeyring({ keyring }) {
  rows("deks", 7, keyring.deks, (dek) => [
    h("th", { scope: "row", class: "mono" }, dek.version),
    cell(state(dek.state), dek.below_minimum ? [" ", pill("bad", "below minimum")] : null),
    cell(ago(dek.created_at)),
    cell(foreign(dek.policy)),
    cell(dek.signed ? "signed" : "unsigned"),
    cell(dek.record === "ok" ? "there" : pill(dek.state === "destroyed" ? null : "bad", "missing")),
    h("td", { class: "mono" }, dek.keks.join(", ") || "nothing"),
  ], "No DEK yet.");
  const signers = [
    ...keyring.keks.map((each) => [each.id, "KEK", each.state, "wrapping DEKs"]),
    ...keyring.agents.map((each) => [each.id, "rotation agent", each.state, "manifests"]),
    ...keyring.enrichers.map((each) => [
      each.id, "enricher", each.state, `sessions of v${each.first_n} to ${each.last_n ? `v${each.last_n}` : "now"}`,
    ]),
  ];
  rows("signers", 4, signers, ([id, of, standing, what]) => [
    h("th", { scope: "row", class: "mono" }, id), cell(of), cell(state(standing)), cell(what),
  ], "No key yet.");
  fill("policies", keyring.policies.map((policy) =>
    h(
      "details",
      { "data-key": `policy-${policy.id}` },
      h("summary", {}, foreign(policy.id), h("span", { class: "muted" }, policy.names.length ? ` (and ${policy.names.length} names of its own)` : "")),
      list("Names besides the twelve", policy.names),
      list("Pointers", policy.pointers),
      list("Left out", policy.exclude),
    )
  ));
}

function list(title, names) {
  return h("p", {}, `${title}: `, names.length ? names.map((name, index) => [index ? ", " : "", code(name)]) : "none");
}

export function drawCustodians({ custodians }) {
  const recovery = custodians.recovery_key
    ? [{ role: "recovery key", key_id: custodians.recovery_key, state: "current", since: "", revoked_at: null }]
    : [];
  rows("custodian-rows", 5, [...custodians.keys, ...recovery], (each) => [
    h("th", { scope: "row" }, each.role),
    h("td", { class: "mono" }, each.key_id),
    cell(state(each.state)),
    cell(moment(each.since)),
    cell(moment(each.revoked_at)),
  ], "There are none: this deployment was made without custodians, so no command can be given.");
}
