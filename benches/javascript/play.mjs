// Plays transcripts on npm's waPC host in Node; README.md says how to ask.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";

import { drive } from "./driver.mjs";
import { host, request, tell } from "./installed.mjs";

const published = host();
const asked = await request();
const read = {
  module: (path) => readFile(path),
  transcript: (app) => readFile(join(asked.transcripts, `${app}.jsonl`), "utf8"),
};

function start(task, told, broken) {
  const worker = new Worker(new URL("play-worker.mjs", import.meta.url), {
    workerData: task,
    // What a guest logs goes to the worker's standard output, which must stay out of the answer.
    stdout: true,
    // node:wasi says at every import that it is experimental.
    execArgv: ["--no-warnings"],
  });
  worker.stdout.pipe(process.stderr, { end: false });
  worker.once("error", broken);
  worker.once("exit", (code) => broken(`it ended with ${code}`));
  worker.on("message", told);
  return () => worker.terminate();
}

tell({ engine: `node ${process.versions.node} (V8 ${process.versions.v8}) with ${published}` });
await drive(asked, read, start, tell);
