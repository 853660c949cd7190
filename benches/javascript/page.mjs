// The page: drives the workers and posts every line to chromium.mjs.

import { drive } from "./driver.mjs";

async function get(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(await response.text());
  return response;
}

function post(message) {
  return fetch("/", { method: "POST", body: JSON.stringify(message) });
}

const read = {
  module: async (path) => new Uint8Array(await (await get(`/module?of=${encodeURIComponent(path)}`)).arrayBuffer()),
  transcript: async (app) => (await get(`/transcript?of=${encodeURIComponent(app)}`)).text(),
};

let workers = 0;

function start(task, told, broken) {
  const lock = `worker ${(workers += 1)}`;
  const worker = new Worker("/page-worker.js");
  worker.onmessage = ({ data }) => told(data);
  worker.onerror = (event) => broken(event.message);
  worker.postMessage({ task, lock });
  return async () => {
    worker.terminate();
    // The worker holds the lock as long as it lives.
    await navigator.locks.request(lock, () => {});
  };
}

try {
  await drive(await (await get("/request")).json(), read, start, (line) => post({ line }));
  await post({ done: true });
} catch (error) {
  await post({ broken: String(error) });
}
