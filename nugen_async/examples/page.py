"""The page that all example apps serve: a form, and a bar for each job, fed by one event stream."""

from __future__ import annotations

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Alignments</title>
<link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark;
    --ground: light-dark(#f6f7f9, #14171c); --card: light-dark(#fff, #1d2229);
    --ink: light-dark(#1b2430, #e6eaf0); --soft: light-dark(#5b6675, #9aa5b4);
    --line: light-dark(#dde2e9, #323a45); --track: light-dark(#e8ecf1, #2a313b);
    --go: light-dark(#2f6fdb, #6ea2ff); --good: light-dark(#1d8a4e, #4cc38a);
    --bad: light-dark(#c4372c, #ff8078); --hold: light-dark(#a66a00, #f0b455); }
  * { box-sizing: border-box; }
  body { margin: 0 auto; max-width: 46rem; padding: 2.5rem 1.25rem; background: var(--ground);
    color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
  header { display: flex; align-items: baseline; justify-content: space-between; }
  h1 { font-size: 1.6rem; margin: 0 0 1.25rem; }
  #line { color: var(--soft); font-size: .9rem; }
  form, li { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; }
  form { display: grid; grid-template-columns: 1fr 1fr; gap: .9rem; padding: 1.1rem; }
  form label:nth-of-type(3) { grid-column: 1 / -1; }
  label { font-size: .85rem; color: var(--soft); }
  input { display: block; width: 100%; margin-top: .2rem; padding: .5rem .65rem; font: inherit;
    color: var(--ink); background: var(--ground); border: 1px solid var(--line); border-radius: .45rem; }
  input:focus-visible, button:focus-visible { outline: 2px solid var(--go); outline-offset: 1px; }
  button { padding: .55rem 1.3rem; font: inherit; font-weight: 600; cursor: pointer; border: 0;
    border-radius: .45rem; justify-self: start; background: var(--go); color: light-dark(#fff, #0d1420); }
  button:disabled { opacity: .55; cursor: progress; }
  #trouble { grid-column: 1 / -1; margin: 0; color: var(--bad); }
  #trouble:empty { display: none; }
  ul { list-style: none; margin: 1.25rem 0 0; padding: 0; display: grid; gap: .75rem; }
  li { padding: .9rem 1.1rem; display: grid; grid-template-columns: 1fr auto; gap: .15rem 1rem; }
  li b { overflow-wrap: anywhere; }
  .status { font-weight: 600; color: var(--go); }
  .track { grid-column: 1 / -1; height: .55rem; border-radius: 1rem; overflow: hidden;
    background: var(--track); margin: .35rem 0 .25rem; }
  .bar { height: 100%; width: 0; border-radius: 1rem; background: var(--go); transition: width .6s; }
  .vague .bar { width: 30%; animation: pass 1.8s ease-in-out infinite alternate; }
  @keyframes pass { to { margin-left: 70%; } }
  @media (prefers-reduced-motion: reduce) { .bar { transition: none; animation: none !important; } }
  small { color: var(--soft); overflow-wrap: anywhere; }
  .status, .left { text-align: right; }
  .ready .status { color: var(--good); } .ready .bar { background: var(--good); }
  .failed .status, .cancelled .status, .lost .status { color: var(--bad); }
  .failed .bar, .cancelled .bar, .lost .bar { background: var(--bad); }
  .parked .status { color: var(--hold); } .parked .bar { background: var(--hold); }
  #none { color: var(--soft); text-align: center; margin-top: 2rem; }
  ul:not(:empty) + #none { display: none; }
  @media (max-width: 30rem) { form { grid-template-columns: 1fr; } }
</style>
<header><h1>Alignments</h1><span id="line" role="status"></span></header>
<form>
  <label>Name <input name="name" required maxlength="100" autocomplete="off"></label>
  <label>Base model <input name="base_model" required value="nugen-flash-instruct"></label>
  <label>Documents, ids with commas between
    <input name="documents" required placeholder="doc-1, doc-2"></label>
  <button>Start</button>
  <p id="trouble" role="alert"></p>
</form>
<ul aria-label="Jobs"></ul>
<p id="none">Nothing started yet.</p>
<script>
const $ = (found) => document.querySelector(found);
const list = $("ul"), rows = new Map();

function row(id) {
  if (!rows.has(id)) {
    const made = document.createElement("li");
    made.innerHTML = '<b></b><span class="status"></span>'
      + '<div class="track" role="progressbar" aria-valuemin="0" aria-valuemax="100">'
      + '<div class="bar"></div></div><small class="note"></small><small class="left"></small>';
    made.id = "job-" + id;
    rows.set(id, made);
    made.dataset.order = id;
    list.append(made);
  }
  return rows.get(id);
}

function minutes(seconds) {
  if (seconds >= 3600) return Math.round(seconds / 360) / 10 + " h";
  return seconds >= 60 ? Math.round(seconds / 60) + " min" : Math.ceil(seconds) + " s";
}

function show(job) {
  const made = row(job.id), part = (name) => made.querySelector(name);
  const known = job.progress !== null, percent = known ? Math.floor(job.progress * 100) : null;
  made.className = job.phase + (!known && !job.ended ? " vague" : "");
  made.dataset.order = (job.began || "") + " " + job.id;
  const later = [...list.children].find((other) => other.dataset.order < made.dataset.order);
  if (made.nextSibling !== (later ?? null)) list.insertBefore(made, later ?? null);  // newest first
  part("b").textContent = job.name || job.id;
  part(".status").textContent = job.status.toLowerCase().replaceAll("_", " ");
  part(".track").setAttribute("aria-label", job.name || job.id);
  if (known) part(".track").setAttribute("aria-valuenow", percent);
  part(".bar").style.width = known ? percent + "%" : job.ended ? "100%" : "";
  part(".note").textContent = job.reason || job.id;
  part(".left").textContent = [
    known ? percent + " %" : "", job.left === null ? "" : "about " + minutes(job.left) + " left",
  ].filter(Boolean).join(", ");
}

let source;
function follow() {
  if (source) source.close();
  source = new EventSource("events");
  source.onopen = () => { $("#line").textContent = "live"; };
  source.onerror = () => { $("#line").textContent = "connecting again\\u2026"; };
  source.onmessage = (event) => show(JSON.parse(event.data));
  source.addEventListener("problem", (event) => {
    const told = JSON.parse(event.data);
    if (!told.id) { $("#trouble").textContent = told.message; return; }
    const made = row(told.id);
    made.className = "lost";
    made.querySelector("b").textContent ||= told.id;
    made.querySelector(".status").textContent = "not followed";
    made.querySelector(".note").textContent = told.message;
  });
  source.addEventListener("end", () => {
    source.close();
    $("#line").textContent = rows.size ? "all have ended" : "";
  });
}

$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target, button = $("button");
  button.disabled = true;  // an alignment costs money: one click, one job
  $("#trouble").textContent = "";
  try {
    const answer = await fetch("jobs", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        name: form.elements.name.value,
        base_model: form.elements.base_model.value,
        document_ids: form.elements.documents.value.split(",").map((id) => id.trim()).filter(Boolean),
      }),
    });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.message || "The server answered " + answer.status + ".");
    form.elements.name.value = "";
    show(told);
    follow();
  } catch (error) {
    $("#trouble").textContent = error.message;
  } finally {
    button.disabled = false;
  }
});

follow();
</script>
</html>
"""
