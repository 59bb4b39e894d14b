// Elements made from data.  Text goes in as text only: nothing here, or in the other files, parses markup.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: attributes by name (null, undefined and false are left out), then children, nested as you like. */
export function h(tag, attributes = {}, ...children) {
  return build(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, tag), attributes, children);
}

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** Put children in place of what is there; what is open stays open, and the focus stays where it was. */
export function fill(target, ...children) {
  const element = typeof target === "string" ? document.getElementById(target) : target;
  const open = [...element.querySelectorAll("details[open][data-key]")].map((each) => each.dataset.key);
  const focused = element.contains(document.activeElement) ? document.activeElement.closest("[data-key]") : null;
  const key = focused?.dataset.key;
  element.replaceChildren(...children.flat(Infinity));
  for (const each of element.querySelectorAll("details[data-key]")) each.open = open.includes(each.dataset.key);
  if (key) {
    const again = [...element.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);
    (again?.querySelector("summary") ?? again)?.focus({ preventScroll: true });
  }
}

/** Rows of a table, or one row that says that there is none. */
export function rows(target, columns, list, row, none) {
  const made = list.map((each) => h("tr", {}, row(each)));
  fill(target, made.length ? made : h("tr", {}, h("td", { colspan: columns, class: "empty" }, none)));
}

export function cell(...children) {
  return h("td", {}, ...children);
}

/** Text that somebody else chose: it keeps its own direction of writing. */
export function foreign(text) {
  return text ? h("bdi", {}, text) : null;
}

export function pill(level, text) {
  return h("span", { class: "pill", "data-level": level }, text);
}

export function code(text) {
  return h("code", {}, text);
}

export function count(number) {
  return number.toLocaleString("en");
}

export function rate(number) {
  return number >= 100 ? count(Math.round(number)) : number.toFixed(1).replace(/\.0$/, "");
}

// Times: told as ages by the server's clock, brought up to date without a live region speaking.

let skewMs = 0;

export function setNow(text) {
  skewMs = Date.parse(text) - Date.now();
}

export function ago(text) {
  if (!text) return "";
  return h("time", { datetime: text, "data-age": true, title: text.replace("T", " ").replace("Z", " UTC") }, age(text));
}

export function moment(text) {
  return text ? h("time", { datetime: text, class: "whole" }, text.replace("T", " ").replace("Z", "")) : "";
}

export function showAges() {
  for (const each of document.querySelectorAll("time[data-age]")) {
    const shown = age(each.dateTime);
    if (each.textContent !== shown) each.textContent = shown;
  }
}

function age(text) {
  const seconds = (Date.now() + skewMs - Date.parse(text)) / 1000;
  return seconds >= -1 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
}

function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days) return hours ? `${days} d ${hours} h` : `${days} d`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min` : `${whole} s`;
}
