// Plays transcripts on npm's waPC host in a page in headless Chromium; README.md says how to ask.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { browse } from "./browser.mjs";
import { LIMIT } from "./driver.mjs";
import { host, missing, packages, request, tell } from "./installed.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const types = { html: "text/html", js: "text/javascript", mjs: "text/javascript" };
/** Chromium itself has failed when it says nothing for so long, in ms: the page holds the limit of each app. */
const SILENCE = LIMIT + 15_000;

const published = host();
const program = process.env.CHROMIUM ?? "/usr/bin/chromium";
const asked = await request();

/** What the page may read: its own code, the packages, the request, and the modules and transcripts that it names. */
function file(url) {
  const { pathname, searchParams } = new URL(url, "http://page");
  const name = searchParams.get("of");
  if (pathname === "/request") return JSON.stringify(asked);
  if (pathname === "/module" || pathname === "/transcript") {
    const names = asked.modules.flatMap(({ path, apps }) => (pathname === "/module" ? [path] : apps));
    if (!names.includes(name)) throw new Error(`${name} is not in the request`);
    return readFile(pathname === "/module" ? name : join(asked.transcripts, `${name}.jsonl`));
  }
  // URL has taken every `..` out.
  if (pathname.startsWith("/packages/")) return readFile(join(packages, pathname.slice("/packages/".length)));
  return readFile(join(here, pathname));
}

/** Serves the page on a free port of this machine; `said` takes what it posts. */
async function serve(said) {
  const server = createServer(async (request, response) => {
    try {
      if (request.method === "POST") {
        said(JSON.parse(Buffer.concat(await request.toArray()).toString()));
        response.end();
        return;
      }
      const body = await file(request.url);
      const type = types[request.url.split(".").pop()] ?? "application/octet-stream";
      response.setHeader("content-type", type).end(body);
    } catch (error) {
      response.writeHead(404).end(error.message);
    }
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return server;
}

let done, fail, silence;
const played = new Promise((resolve, reject) => ([done, fail] = [resolve, reject]));
const alive = () => {
  clearTimeout(silence);
  silence = setTimeout(() => fail(new Error(`Chromium said nothing for ${SILENCE / 1_000} s`)), SILENCE);
};

alive();
const server = await serve((message) => {
  alive();
  if (message.line) tell(message.line);
  if (message.done) done();
  if (message.broken) fail(new Error(`the page broke: ${message.broken}`));
});
const browser = await browse(program);
browser.gone.then((end) => {
  if (end.missing) missing(`Chromium is missing: there is no ${program}`);
  fail(new Error(end.why));
});

async function open() {
  const { product, jsVersion } = await browser.command("Browser.getVersion");
  tell({ engine: `chromium ${product.split("/")[1]} (V8 ${jsVersion}) with ${published}` });
  await browser.command("Target.createTarget", { url: `http://127.0.0.1:${server.address().port}/page.html` });
}

open().catch(fail);
try {
  await played;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
clearTimeout(silence);
await browser.close();
server.close();
server.closeAllConnections();
