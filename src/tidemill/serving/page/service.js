// Sends the form of a service's page as a prediction and shows the answer with its id.
"use strict";

const convert = (value, data) =>
  data.inverse === "1" ? Number(data.factor) / value : Number(data.factor) * value + Number(data.offset);

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

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  for (const id of ["answer", "trace", "problem"]) show(id, null);
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
  } catch (problem) {
    show("problem", "").textContent = problem.message;
  }
});
