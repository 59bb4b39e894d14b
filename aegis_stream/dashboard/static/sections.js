// What is going on now, enrichers, dead letters, refusals and the audit trail.

import { ago, cell, code, count, fill, foreign, h, moment, pill, rate, rows, svg } from "./dom.js";

const LEVELS = { fresh: "good", grace: "bad", expired: "bad", absent: "bad" };

export function drawAttention({ attention }) {
  const items = attention.map((each) =>
    h("li", { "data-level": each.level }, h("strong", {}, foreign(each.what)), " ", h("span", { class: "do" }, foreign(each.do)))
  );
  fill("attention", items.length ? items : h("li", { "data-level": "good" }, "All is well."));
}

export function drawFigures({ traffic, dead_letters: letters, manifest, commands }) {
  const figures = [];
  if (traffic) {
    figures.push(figure("Events a second", rate(traffic.events_per_s), spark(traffic.history), "wide"));
    figures.push(figure("Fields a second", rate(traffic.fields_per_s)));
    figures.push(figure("Lag, records", count(traffic.lag)));
  }
  if (letters) {
    const newest = letters.newest ? ["the newest ", ago(letters.newest)] : "none on the topic";
    figures.push(figure("Dead letters", count(letters.total), letters.behind ? `${count(letters.behind)} still to read` : newest));
  }
  if (commands) {
    figures.push(figure("Commands that wait", count(commands.signed), commands.unsigned ? `and ${count(commands.unsigned)} that nobody known has signed` : null));
  }
  if (manifest) {
    const due = manifest.rotation_due ? ["next rotation ", ago(manifest.rotation_due)] : "no rotation by schedule";
    figures.push(figure("Active DEK", manifest.active_version, ["made ", ago(manifest.active_since), ", ", due], "text"));
    figures.push(
      figure(
        `Manifest ${manifest.sequence}`,
        pill(LEVELS[manifest.freshness], manifest.freshness),
        ["signed ", ago(manifest.issued_at), ", expires ", ago(manifest.expires_at)],
        "text",
      ),
    );
  }
  fill("figures", figures);
}

function figure(name, value, note = null, kind = null) {
  return h(
    "div",
    { class: kind === "wide" && "wide" },
    h("dt", {}, name),
    h("dd", { class: kind === "text" ? "value text" : "value" }, value),
    note === null ? null : h("dd", { class: "muted" }, note),
  );
}

/** A line over the last minutes; the number above it says the same in words. */
function spark(history) {
  const most = Math.max(1, ...history);
  const step = 100 / Math.max(1, history.length - 1);
  const points = history.map((value, index) => `${(index * step).toFixed(1)} ${(29 - (27 * value) / most).toFixed(1)}`);
  return svg(
    "svg",
    { class: "spark", viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" },
    points.length > 1 ? svg("path", { d: `M${points.join("L")}` }) : null,
  );
}

export function drawEnrichers({ enrichers, manifest }) {
  rows("enricher-rows", 9, enrichers ?? [], (each) => [
    h("th", { scope: "row", class: "mono" }, each.address),
    cell(stateOf(each)),
    h("td", { class: "mono" }, each.version || "nothing yet", other(each, manifest)),
    number(rate(each.events_per_s)),
    number(rate(each.fields_per_s)),
    number(count(each.events)),
    number(count(each.lag)),
    cell(table(each.lags)),
    cell(table(each.refused) || "none"),
  ], "No enricher was named: start the dashboard with --enricher http://host:port for each.");
}

function stateOf(each) {
  if (!each.up) return [pill("bad", "away"), " ", each.problem];
  return each.ready ? pill("good", "ready") : pill("warn", "not ready");
}

function other(each, manifest) {
  return manifest && each.up && each.version && each.version !== manifest.active_version ? [" ", pill("warn", "not the active one")] : null;
}

function number(text) {
  return h("td", { class: "number" }, text);
}

function table(counts) {
  return Object.entries(counts).map(([name, value]) => `${name}: ${count(value)}`).join(", ");
}

export function drawLetters({ dead_letters: letters, marks }) {
  if (!letters) return;
  const done = Object.entries(marks ?? {}).filter(([, value]) => value).map(([state, value]) => `${count(value)} ${state}`);
  fill("marks", done.length ? `Marked: ${done.join(", ")}. ` : [], "Which are open is told by ", code("aegis dead-letters list"), ".");
  const caption = document.getElementById("letters-caption");
  caption.textContent = letters.problem ? `Dead letters: ${letters.problem}` : `Dead letters on the topic: ${count(letters.total)}`;
  const head = (text) => h("th", { scope: "col", class: "number" }, text);
  fill(
    "letter-head",
    h("tr", {}, h("th", { scope: "col" }, "Reason"), head("All"), letters.partitions.map((each) => head(`Partition ${each}`))),
  );
  rows("letter-rows", 2 + letters.partitions.length, letters.rows, (row) => [
    h("th", { scope: "row" }, row.reason),
    number(count(row.total)),
    row.partitions.map((each) => number(count(each))),
  ], "None.");
}

export function drawRefusals({ traffic, refused }) {
  const kinds = [
    ["events, by enrichers", traffic?.refused],
    ["records of the control topic", refused?.records],
    ["records about commands", refused?.commands],
  ];
  const list = kinds.flatMap(([what, counts]) => Object.entries(counts ?? {}).map((each) => [what, ...each]));
  rows("refusals", 3, list, ([what, reason, value]) => [
    h("th", { scope: "row" }, what),
    cell(reason),
    number(count(value)),
  ], "Nothing was refused.");
}

export function drawTrail({ trail }) {
  rows("trail-rows", 5, trail, (each) => [
    cell(moment(each.at)),
    h("th", { scope: "row" }, foreign(each.what), each.command ? [" ", code(each.command)] : null),
    cell(foreign(each.who)),
    cell(foreign(each.detail)),
    cell(each.source === "signed" ? "a signed record" : "seen by this page"),
  ], "Nothing yet.");
}
