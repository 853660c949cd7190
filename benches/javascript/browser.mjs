// Headless Chromium, told what to do through the pipe of DevTools.

import { spawn } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--remote-debugging-pipe",
];
/** Chromium has so long to close, in ms. */
const CLOSING = 10_000;
/** By this a shell says that there is no such program. */
const NO_PROGRAM = 127;

/**
 * Starts Chromium with an empty profile. However this program ends, the pipe closes, Chromium then goes by itself, and
 * the shell around it removes the profile. In a group of their own they hear nothing of a terminal's Ctrl-C, which would
 * end the shell too early.
 */
export async function browse(program) {
  const profile = await mkdtemp(join(tmpdir(), "pillion-chromium-"));
  const script = 'profile=$1; shift; "$@"; code=$?; rm -rf -- "$profile"; exit $code';
  const command = [program, ...FLAGS, `--user-data-dir=${profile}`];
  const shell = spawn("/bin/sh", ["-c", script, "sh", profile, ...command], {
    stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
    detached: true,
  });
  const [, , errors, commands, events] = shell.stdio;
  let complaints = "";
  errors.setEncoding("utf8").on("data", (text) => (complaints = (complaints + text).slice(-1_000)));
  const gone = new Promise((resolve) => {
    shell.once("close", (code, signal) => {
      resolve({ missing: code === NO_PROGRAM, why: `Chromium ended with ${code ?? signal}: ${complaints.trim()}` });
    });
  });

  const asked = new Map();
  let rest = "";
  events.setEncoding("utf8").on("data", (text) => {
    const messages = (rest + text).split("\0");
    rest = messages.pop();
    for (const { id, result, error } of messages.map((message) => JSON.parse(message))) {
      asked.get(id)?.(error ? Promise.reject(new Error(error.message)) : result);
    }
  });
  // One that is gone hears nothing, and `gone` says so.
  commands.on("error", () => {});

  return {
    gone,
    /** Has Chromium do something, and gives what it answers. */
    command(method, params = {}) {
      const id = asked.size + 1;
      commands.write(`${JSON.stringify({ id, method, params })}\0`);
      return new Promise((resolve) => asked.set(id, resolve));
    },
    /** Closes Chromium, and is done when it and its profile are gone. */
    async close() {
      commands.end();
      const late = setTimeout(() => process.kill(-shell.pid, "SIGKILL"), CLOSING);
      await gone;
      clearTimeout(late);
    },
  };
}
