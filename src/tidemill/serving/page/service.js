// Sends the form of a service's page as a prediction, shows the answer with its id, and sends what people say of it.
"use strict";

const convert = (value, data) =>
  data.inverse === "1" ? Number(data.factor) / value : Number(data.factor) * value + Number(data.offset);

const unconvert = (shown, data) =>
  data.inverse === "1" ? Number(data.factor) / shown : (shown - Number(data.offset)) / Number(data.factor);

const read = (input) => {
  if (input.dataset.kind === "bool") return input.checked;
  if (input.dataset.kind === "text") return input.value;
  const value = convert(Number(input.value), input.dataset);
  return input.dataset.kind === "integer" ? Math.round(value) : value;
};

const show = (id, text) => {
  const element = document.getElementById(id);
  element.hidden = text === null;
  return element;
};

const form = document.getElementById("prediction");
const feedback = document.getElementById("feedback");
let answered = null;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  for (const id of ["answer", "trace", "problem", "feedback", "thanks"]) show(id, null);
  const instance = {};
  for (const input of form.querySelectorAll("input")) instance[input.name] = read(input);
  const headers = { "content-type": "application/json" };
  if (form.dataset.token) headers.authorization = `Bearer ${form.dataset.token}`;
  try {
    const reply = await fetch(form.dataset.url, {
      method: "POST",
      headers,
      body: JSON.stringify({ instances: [instance] }),
    });
    const body = await reply.json();
    const id = reply.headers.get("x-request-id");
    if (id) {
      document.getElementById("id").textContent = id;
      show("trace", "");
    }
    if (!reply.ok) throw new Error(body.error || `the service answered ${reply.status}`);
    const value = body.predictions[0];
    const shown = typeof value === "number" ? Number(convert(value, form.dataset).toPrecision(4)) : JSON.stringify(value);
    document.getElementById("value").textContent = `${shown} ${form.dataset.unit}`.trim();
    show("answer", "");
    if (id) {
      answered = { id, isNumber: typeof value === "number" };
      feedback.reset();
      show("feedback", "");
    }
  } catch (problem) {
    show("problem", "").textContent = problem.message;
  }
});

feedback.addEventListener("submit", async (event) => {
  event.preventDefault();
  for (const id of ["problem", "thanks"]) show(id, null);
  const said = new FormData(feedback);
  const body = { prediction_id: answered.id, comment: said.get("comment") };
  if (said.get("rating")) body.rating = Number(said.get("rating"));
  const value = said.get("value").trim();
  try {
    if (value) {
      body.value = answered.isNumber ? unconvert(Number(value.replace(",", ".")), form.dataset) : value;
      if (answered.isNumber && !Number.isFinite(body.value)) throw new Error(`${value} is no number`);
    }
    const reply = await fetch(feedback.dataset.url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!reply.ok) throw new Error((await reply.json()).message || `the site answered ${reply.status}`);
    show("thanks", "");
  } catch (problem) {
    show("problem", "").textContent = problem.message;
  }
});
