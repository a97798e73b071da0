"use strict";
// Images go to the address in data-upload as they are, one request each; the server says what is wrong with one.
const message = document.getElementById("message");

async function upload(target, files) {
  for (const file of files) {
    const headers = { Accept: "application/json", Caption: encodeURIComponent([...file.name].slice(0, 200).join("")) };
    const response = await fetch(target.dataset.upload, { method: "POST", body: file, headers });
    if (!response.ok) {
      const answer = await response.json().catch(() => ({ detail: response.statusText }));
      throw new Error(`${file.name}: ${answer.detail}`);
    }
  }
  location.reload();
}

function send(target, files) {
  if (!files.length) return;
  target.classList.add("busy");
  upload(target, files).catch((error) => {
    message.textContent = error.message;
    message.hidden = false;
  }).finally(() => target.classList.remove("busy"));
}

for (const target of document.querySelectorAll("[data-upload]")) {
  target.addEventListener("dragover", (event) => { event.preventDefault(); target.classList.add("over"); });
  target.addEventListener("dragleave", () => target.classList.remove("over"));
  target.addEventListener("drop", (event) => {
    event.preventDefault();
    target.classList.remove("over");
    send(target, [...event.dataTransfer.files]);
  });
  target.querySelector("input[type=file]")?.addEventListener("change", (event) => send(target, [...event.target.files]));
}
