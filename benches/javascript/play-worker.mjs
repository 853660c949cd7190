// Node's side of a worker.

import { webcrypto } from "node:crypto";
import { createRequire } from "node:module";
import { WASI } from "node:wasi";
import { parentPort, workerData } from "node:worker_threads";

import { answer } from "./guest.mjs";
import { packages } from "./installed.mjs";

// Node 18 has it under this name alone.
globalThis.crypto ??= webcrypto;

const require = createRequire(packages);
const { WapcHost } = require("@wapc/host");
const { encode, decode } = require("@msgpack/msgpack");
// No file, no environment, and what the guest prints goes to the standard error.
const wasi = () => new WASI({ version: "preview1", returnOnExit: true, stdout: 2 });

const tools = { WapcHost, encode, decode, wasi };
parentPort.postMessage(await answer(workerData, tools, () => parentPort.postMessage({ calling: true })));
