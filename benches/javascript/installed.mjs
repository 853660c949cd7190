// What both programs need before they start: the packages, and the request.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const packages = fileURLToPath(new URL("../../target/toolchains/javascript/node_modules/", import.meta.url));

/** Ends the program: something is missing that can be installed. */
export function missing(what) {
  console.error(`${what}; scripts/setup guests installs it`);
  process.exit(3);
}

/** The host's version; all packages are there in the versions that are written down. */
export function host() {
  const pins = json(new URL("package.json", import.meta.url)).dependencies;
  for (const [name, pin] of Object.entries(pins)) {
    let found;
    try {
      found = json(join(packages, name, "package.json")).version;
    } catch {
      missing(`npm's ${name} ${pin} is missing in ${packages}`);
    }
    if (found !== pin) missing(`npm's ${name} is ${found}, not ${pin}, in ${packages}`);
  }
  return `@wapc/host ${pins["@wapc/host"]}`;
}

/** The request: the first line of the standard input, which may stay open. */
export async function request() {
  const strings = (list) => Array.isArray(list) && list.every((item) => typeof item === "string");
  const module = ({ path, apps }) => strings([path]) && strings(apps) && apps.length > 0;
  for await (const line of createInterface({ input: process.stdin })) {
    // Else an open input would keep the program from ending.
    process.stdin.destroy();
    const { modules, transcripts, faults } = JSON.parse(line);
    if (!strings([transcripts]) || !Array.isArray(modules) || !modules.every(module)) break;
    return { modules, transcripts, faults };
  }
  throw new Error('a request is {"modules": [{"path": …, "apps": [one or more]}, …], "transcripts": FOLDER}');
}

/** One line of the answer. */
export function tell(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function json(file) {
  return JSON.parse(readFileSync(file, "utf8"));
}
