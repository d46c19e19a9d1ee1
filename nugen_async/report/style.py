"""The style sheet and the script of a report."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark;
  --ground: light-dark(#f6f7f9, #14171c); --card: light-dark(#fff, #1d2229);
  --ink: light-dark(#1b2430, #e6eaf0); --soft: light-dark(#5b6675, #9aa5b4);
  --line: light-dark(#dde2e9, #323a45); --track: light-dark(#eef1f5, #272d36);
  --before: light-dark(#9fb0c6, #6b7b92); --after: light-dark(#2f6fdb, #6ea2ff);
  --good: light-dark(#1d8a4e, #4cc38a); --bad: light-dark(#c4372c, #ff8078);
  --hold: light-dark(#96610a, #f0b455);
  --s0: light-dark(#a3aebd, #77828f); --s1: light-dark(#a78bdb, #7f66b3);
  --s2: light-dark(#2f6fdb, #6ea2ff); --s3: light-dark(#e0a43c, #b98532);
  --s4: light-dark(#2b9d76, #4cb991); --s5: light-dark(#87c5a9, #88d6b6);
  --s6: light-dark(#b9a184, #8f7a60); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 78rem; padding: 2rem 1.5rem 4rem; background: var(--ground);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: baseline;
  gap: 0 1rem; }
h1 { font-size: 1.7rem; margin: 0; max-width: 100%; overflow-wrap: break-word; }
h2 { font-size: 1.1rem; margin: 0 0 .25rem; }
header p, .note, small, dt { color: var(--soft); }
header p { margin: 0; white-space: nowrap; } .note { margin: 0 0 .75rem; font-size: .87rem; }
section, .totals div { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; }
section { padding: 1.1rem 1.25rem; margin-top: 1rem; }
.totals { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .7rem;
  margin: 1.25rem 0 0; }
.totals div { padding: .7rem 1rem; } dt { font-size: .82rem; }
dd { margin: 0; font-size: 1.25rem; font-weight: 650; white-space: nowrap; }
.ready dd, td.ready { color: var(--good); } .failed dd, td.failed, li.failed b { color: var(--bad); }
.unknown dd, td.unknown, li.unknown b { color: var(--hold); }
.line { display: grid; grid-template-columns: 13rem 1fr 12.5rem; gap: .8rem; align-items: center;
  min-height: 1.55rem; font-size: .85rem; break-inside: avoid; }
.times .line { min-height: 1.2rem; grid-template-columns: 13rem 1fr 6.5rem; }
.label { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; color: var(--soft); }
.number b { display: inline-block; min-width: 3.2rem; color: var(--ink); }
svg { width: 100%; display: block; } .track { fill: var(--track); }
.before { fill: var(--before); } .after { fill: var(--after); }
.axis text { font-size: 11px; fill: var(--soft); } .grid line { stroke: var(--line); }
.key { display: inline-block; width: .8em; height: .8em; border-radius: .2em;
  vertical-align: -.05em; }
.legend { white-space: nowrap; margin-right: .5em; } .key.before { background: var(--before); }
.key.after { background: var(--after); } .key.failed { background: var(--bad); }
rect.s0 { fill: var(--s0); } .key.s0 { background: var(--s0); }
rect.s1 { fill: var(--s1); } .key.s1 { background: var(--s1); }
rect.s2 { fill: var(--s2); } .key.s2 { background: var(--s2); }
rect.s3 { fill: var(--s3); } .key.s3 { background: var(--s3); }
rect.s4 { fill: var(--s4); } .key.s4 { background: var(--s4); }
rect.s5 { fill: var(--s5); } .key.s5 { background: var(--s5); }
rect.s6 { fill: var(--s6); } .key.s6 { background: var(--s6); }
rect.s9 { fill: var(--soft); } rect.failed { fill: var(--bad); } rect.running { fill-opacity: .35; }
summary { cursor: pointer; color: var(--soft); font-size: .87rem; padding: .3rem 0; }
.failures { list-style: none; margin: .5rem 0 0; padding: 0; display: grid; gap: .6rem; }
.failures li { border-left: 3px solid var(--bad); padding-left: .75rem; overflow-wrap: anywhere; }
.failures li.unknown { border-color: var(--hold); } small { display: block; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; }
th, td { text-align: left; padding: .35rem .6rem; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border: 0; padding: 0; vertical-align: bottom; } thead th.n button { text-align: right; }
tbody th { font-weight: 600; overflow-wrap: anywhere; min-width: 8rem; }
@media screen { td:nth-child(3) { min-width: 10rem; } }
.why td { border: 0; padding-top: 0; color: var(--soft); overflow-wrap: anywhere; }
.why p { position: sticky; left: .6rem; width: fit-content; max-width: min(60rem, 100vw - 7rem); margin: 0; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
code { font: .82rem ui-monospace, monospace; white-space: nowrap; }
th button { font: inherit; font-weight: 600; color: var(--soft); background: none; border: 0;
  padding: .35rem .6rem; cursor: pointer; width: 100%; text-align: left; }
th button:hover, th button:focus-visible { color: var(--ink); }
th[aria-sort=ascending] button::after { content: " \\25B2"; }
th[aria-sort=descending] button::after { content: " \\25BC"; }
@media screen and (max-width: 48rem) {
  .line, .times .line { grid-template-columns: 1fr auto; gap: 0 .8rem; margin-top: .45rem; }
  .line svg { grid-area: 2 / 1 / 3 / 3; } .number b { min-width: 0; margin-left: .4rem; }
  .axis .other { display: none; } }
@media print {
  :root { color-scheme: light; --ground: #fff; }
  @page { margin: 14mm 12mm; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { padding: 0 1px; max-width: none; font-size: 10pt; } .screen { display: none; }
  section, .totals div { border-color: #ccc; } section { padding: .6rem .8rem; }
  h2, .note { break-after: avoid; } tbody, li { break-inside: avoid; } thead { display: table-header-group; }
  .line { grid-template-columns: 9rem 1fr 10rem; }
  .times .line { grid-template-columns: 9rem 1fr 5rem; }
  .wide { overflow: visible; } .why p { max-width: none; }
  table { font-size: 7.5pt; } code { font-size: 7pt; }
  th, td, thead th { padding: .2rem .3rem; } thead th { color: var(--soft); }
  tbody th { min-width: 7rem; overflow-wrap: break-word; } th button { display: contents; }
  summary { display: none; } details::details-content { content-visibility: visible; } }
"""

SCRIPT = """
for (const head of document.querySelectorAll("thead th")) {
  head.querySelector("button").addEventListener("click", () => {
    const table = head.closest("table"), place = head.cellIndex;
    const falling = head.getAttribute("aria-sort") === "ascending";
    const cell = (body) => body.rows[0].cells[place];
    const value = (body) => cell(body).dataset.v ?? cell(body).textContent;
    const bodies = [...table.tBodies];  // one a workflow, so that its error goes with it
    const numbers = bodies.length && cell(bodies[0]).dataset.v !== undefined;
    bodies.sort((a, b) => {
      const [left, right] = falling ? [value(b), value(a)] : [value(a), value(b)];
      if (value(a) === "" || value(b) === "") return (value(a) === "") - (value(b) === "");
      return numbers ? left - right : left.localeCompare(right, undefined, { numeric: true });
    });
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    table.append(...bodies);
  });
}
"""
