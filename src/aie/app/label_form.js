"use strict";
// Keeps what is typed in this browser until it is saved, and saves it as a file for `aie label --from`.
const form = document.querySelector("form");
const store = "aie-labels-" + form.dataset.dataset;
const fields = () => [...form.querySelectorAll("[data-case]")];
const key = (field) => field.dataset.case + "\n" + field.dataset.field;
let kept = {};
try { kept = JSON.parse(localStorage.getItem(store)) || {}; } catch { kept = {}; }
for (const field of fields()) field.value = kept[key(field)] ?? field.value;
function count() {
  const cases = new Set(fields().filter((field) => field.value.trim()).map((field) => field.dataset.case));
  document.querySelector("output").textContent = cases.size + " of " + form.dataset.cases + " labelled";
}
form.addEventListener("input", (event) => {
  kept[key(event.target)] = event.target.value;
  try { localStorage.setItem(store, JSON.stringify(kept)); } catch { /* a browser may forbid it: saving still works */ }
  count();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const labels = new Map();
  for (const field of fields()) {
    if (!field.value.trim()) continue;
    if (!labels.has(field.dataset.case)) labels.set(field.dataset.case, {});
    labels.get(field.dataset.case)[field.dataset.field] = field.value;
  }
  const rows = [...labels].map(([id, expected]) => ({ id, expected }));
  const file = new Blob([JSON.stringify({ dataset: form.dataset.dataset, labels: rows }, null, 1)], { type: "application/json" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = form.dataset.dataset.replace("/", "-") + ".labels.json";
  link.click();
});
count();
