"""What is asked of a page in a browser so that everybody can read it: names, structure, contrast."""

from __future__ import annotations

from typing import Any, NamedTuple


class Node(NamedTuple):
    """One node of the accessibility tree; `level` is a heading's, else 0."""

    role: str
    name: str
    level: int


def accessibility_tree(nodes: list[dict[str, Any]]) -> list[Node]:
    """Return what is told to assistive technology, in its order."""
    found = []
    for node in nodes:
        if node.get("ignored"):
            continue
        properties = {each["name"]: each["value"].get("value") for each in node.get("properties", [])}
        role, name = node.get("role", {}).get("value", ""), node.get("name", {}).get("value", "")
        found.append(Node(role, str(name).strip(), int(properties.get("level", 0) or 0)))
    return found


CONTROL_NAMES = """
const named = (e) => (e.labels?.length || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')
  || e.textContent.trim() || e.getAttribute('alt') !== null);
return [...document.querySelectorAll('a, button, input, summary, img, [tabindex="0"]')]
  .filter((e) => !named(e)).map((e) => e.outerHTML.slice(0, 80));
"""
"""What can be reached, or is an image, and has no name."""

CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const over = (top, below) => {
  const alpha = top[3] ?? 1;
  return [0, 1, 2].map((i) => top[i] * alpha + below[i] * (1 - alpha));
};
const ground = (element) => {
  if (!element) return [255, 255, 255];
  const colour = parse(getComputedStyle(element).backgroundColor);
  return (colour[3] ?? 1) === 1 ? colour : over(colour, ground(element.parentElement));
};
const light = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => (v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4));
  return .2126 * x + .7152 * y + .0722 * z;
};
const found = [];
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!own || !element.checkVisibility() || element.closest('.unseen, noscript')) continue;
  const below = ground(element);
  const [one, two] = [light(over(parse(getComputedStyle(element).color), below)), light(below)];
  const ratio = (Math.max(one, two) + .05) / (Math.min(one, two) + .05);
  if (ratio < 4.5) found.push([element.tagName, element.textContent.slice(0, 40), ratio.toFixed(2)]);
}
return found;
"""
"""Texts whose contrast with what is behind them is below 4.5 to 1."""

WIDER = """
const inside = (e) => e.parentElement && (e.parentElement.closest('.scroll, .unseen') || e.closest('.unseen, .skip'));
return [...document.querySelectorAll('body *')]
  .filter((e) => e.getBoundingClientRect().right > arguments[0] + 1 && !inside(e)).map((e) => e.outerHTML.slice(0, 80));
"""
"""What stands out of a window of so many pixels, but for what scrolls in itself."""
