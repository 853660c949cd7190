// node --test benches/javascript/test.mjs: needs what scripts/setup guests installs, Chromium included, and no guest.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { drive } from "./driver.mjs";
import { echo } from "./echo-module.mjs";
import { packages } from "./installed.mjs";
import { Store } from "./store.mjs";
import { play } from "./transcript.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const transcripts = fileURLToPath(new URL("../../actors/transcripts/files/", import.meta.url));
const { encode, decode } = createRequire(packages)("@msgpack/msgpack");
const utf8 = (text) => new TextEncoder().encode(text);

let folder, right, wrong;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "pillion-test-"));
  [right, wrong] = [join(folder, "right.wasm"), join(folder, "wrong.wasm")];
  await writeFile(right, echo("bad dispatch"));
  await writeFile(wrong, echo("bad despatch"));
});
after(() => rm(folder, { recursive: true }));

/** What a program answers, with its standard input left open. */
async function run(program, request, environment = {}) {
  const env = { ...process.env, ...environment };
  const child = spawn(process.execPath, [join(here, program)], { env });
  child.stdin.write(`${JSON.stringify({ transcripts, ...request })}\n`);
  const texts = [child.stdout, child.stderr].map(async (stream) => Buffer.concat(await stream.toArray()).toString());
  const code = await new Promise((resolve) => child.once("close", resolve));
  child.stdin.destroy();
  const [out, errors] = await Promise.all(texts);
  return { code, errors, lines: out.split("\n").filter(Boolean).map((line) => JSON.parse(line)) };
}

/** The hash that a transcript without records asks for, by Node's own means. */
async function expected(app) {
  const hash = createHash("sha256");
  const text = await readFile(join(transcripts, `${app}.jsonl`), "utf8");
  for (const { reply, error } of text.trim().split("\n").map((line) => JSON.parse(line))) {
    const { base64 = "", repeat = "", times = 0 } = reply ?? {};
    const tail = Buffer.alloc(times, repeat);
    const plain = error ?? reply;
    const value = typeof plain === "string" ? Buffer.from(plain) : Buffer.concat([Buffer.from(base64, "base64"), tail]);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(value.length);
    hash.update(Buffer.of(error === undefined ? 1 : 0)).update(length).update(value);
  }
  return hash.digest("hex");
}

for (const program of ["play.mjs", "chromium.mjs"]) {
  test(`${program}: a right module gives the hash, a wrong one another, a missing one its reason`, async () => {
    const changed = join(folder, program);
    await mkdir(changed);
    const stored = await readFile(join(transcripts, "echo.jsonl"), "utf8");
    await writeFile(join(changed, "echo.jsonl"), stored.replace('"reply":"_"', '"reply":"-"'));

    const absent = join(folder, "absent.wasm");
    const modules = [right, wrong, absent].map((path) => ({ path, apps: ["echo"] }));
    const { code, errors, lines } = await run(program, { modules });
    assert.equal(code, 0, errors);
    const [engine, good, bad, none, ...more] = lines;
    assert.match(engine.engine, /^(node|chromium) \d+\.[\d.]+ \(V8 [^)]+\) with @wapc\/host \d+\.\d+\.\d+$/);
    const sha256 = await expected("echo");
    assert.deepEqual(good, { path: right, app: "echo", sha256, steps: 16, difference: null });
    assert.notEqual(bad.sha256, sha256);
    assert.match(bad.difference, /^step 15, nothing\.such .* "bad dispatch" was expected, and got .* "bad despatch"$/);
    assert.equal(none.path, absent);
    assert.match(none.failed, /ENOENT/);
    assert.deepEqual(more, []);

    const again = await run(program, { transcripts: changed, modules: modules.slice(0, 1) });
    // What was observed is the same: it is the transcript that says otherwise.
    assert.equal(again.lines[1].sha256, sha256);
    assert.match(again.lines[1].difference, /^step 4, echo of .* "-" was expected, and got a reply of 1 bytes "_"$/);
  });

  test(`${program}: a trap is an error, the next instance serves, and a loop is stopped`, async () => {
    const { lines } = await run(program, { modules: [{ path: right, apps: ["echo"] }], faults: true });
    const { outcome } = lines[2];
    assert.match(outcome.trap, /^RuntimeError: .*unreachable/);
    assert.deepEqual([outcome["after-trap"], outcome.loop], ["served", "stopped"]);
  });

  test(`${program}: what is no module, and what is no request`, async () => {
    const broken = join(folder, `${program}.wasm`);
    await writeFile(broken, "text");
    const { lines } = await run(program, { modules: [{ path: broken, apps: ["echo"] }] });
    assert.match(lines[1].failed, /magic/);
    const refused = await run(program, { modules: [{ path: right, apps: [] }] });
    assert.equal(refused.code, 1);
    assert.match(refused.errors, /a request is/);
  });
}

test("chromium.mjs says what is missing", async () => {
  const { code, errors } = await run("chromium.mjs", { modules: [] }, { CHROMIUM: join(folder, "none") });
  assert.equal(code, 3);
  assert.match(errors, /^Chromium is missing: .*; scripts\/setup guests installs it\n$/);
});

test("the store reads values of any kind and writes what our host writes", () => {
  const store = new Store({ encode, decode });
  const call = (operation, message) => decode(store.call("default", "wascc:keyvalue", operation, encode(message)));
  const binary = Uint8Array.of(0xef, 0xbb, 0xbf, 0xff);
  for (const value of ["", "\ufeffgroß", "x".repeat(70_000), binary]) {
    assert.deepEqual(call("Set", { expires: 0, value, key: "a" }), { value });
    assert.deepEqual(call("Get", { key: "a" }), { value, exists: true });
  }
  call("Set", { key: "b", value: utf8("text in binary"), expires: 0 });
  assert.deepEqual(call("Get", { key: "b" }), { value: "text in binary", exists: true });
  assert.deepEqual(call("Get", { key: "c" }), { value: "", exists: false });
  assert.throws(() => call("Set", { key: "a", value: "", expires: 1 }), /keeps no time/);
});

test("the store counts in 64 bits and refuses the rest in our host's words", () => {
  const store = new Store({ encode, decode });
  const add = (key, value) => {
    const request = encode({ key, value }, { useBigInt64: true });
    const { value: sum } = decode(store.call("", "wascc:keyvalue", "Add", request), { useBigInt64: true });
    return sum;
  };
  assert.deepEqual([add("a", 1), add("a", -3), add("a", 2 ** 31)], [1, -2, 2 ** 31 - 2]);
  assert.equal(add("a", 2n ** 62n), 2n ** 62n + 2n ** 31n - 2n);
  const said = (key, value) => {
    try {
      return `no error, but ${add(key, value)}`;
    } catch (error) {
      // As the published host says it to the guest.
      return "" + error;
    }
  };
  assert.equal(said("a", 2n ** 62n), "adding to key a would leave the range of an integer of 64 bits");
  for (const value of ["text", "", "+1", "01", "-0", "1\n", "9223372036854775808"]) {
    store.put("b", utf8(value));
    assert.equal(said("b", 1), "the value of key b is not an integer of 64 bits");
  }
  store.put("b", utf8("-9223372036854775808"));
  assert.equal(said("b", -1), "adding to key b would leave the range of an integer of 64 bits");
});

test("a store that answers wrong makes a difference", async () => {
  const transcript = '{"store":"a","value":"1"}\n{"call":"get","request":"a","reply":"1"}\n{"holds":"a","value":"1"}\n';
  const outcome = (store) => {
    const call = async (_, request) => ({ reply: store.get(new TextDecoder().decode(request)) });
    return play(transcript, store, async () => ({ call }));
  };
  const good = await outcome(new Store({ encode, decode }));
  assert.equal(good.difference, null);
  const lying = new Store({ encode, decode });
  lying.get = () => utf8("2\t");
  const bad = await outcome(lying);
  assert.notEqual(bad.sha256, good.sha256);
  assert.match(bad.difference, /^step 1, get .* "a": .* "1" was expected, and got a reply of 2 bytes "2\\t"$/);
  const forgetful = new Store({ encode, decode });
  forgetful.put = () => {};
  forgetful.get = () => undefined;
  const call = async () => ({ reply: utf8("1") });
  const gone = await play(transcript, forgetful, async () => ({ call }));
  assert.match(gone.difference, /^step 2, the record a: .* was expected, and got nothing$/);
});

test("after a trap a new instance goes on over the same store", async () => {
  const transcript = '{"call":"a","request":"","error":"trap"}\n{"call":"b","request":"","reply":"2"}\n';
  let opened = 0;
  const open = async () => {
    const instance = (opened += 1);
    const answer = (operation) =>
      operation === "a" ? { error: "trap", lost: true } : { reply: utf8(String(instance)) };
    return { call: async (operation) => answer(operation) };
  };
  assert.equal((await play(transcript, new Store({ encode, decode }), open)).difference, null);
});

test("who does not answer is stopped, and so is who breaks", async () => {
  const read = { module: async () => new Uint8Array(), transcript: async () => "" };
  const modules = [{ path: "a", apps: ["echo"] }];
  const failure = async (begin) => {
    const lines = [];
    let stopped = 0;
    const start = (task, told, broken) => {
      begin(broken);
      return async () => void (stopped += 1);
    };
    await drive({ modules }, read, start, (line) => lines.push(line), 20);
    assert.equal(stopped, 1);
    return lines;
  };
  assert.deepEqual(await failure(() => {}), [{ path: "a", app: "echo", failed: "no answer within 0.02 s" }]);
  const broken = await failure((broken) => setImmediate(() => broken("out of memory")));
  assert.deepEqual(broken, [{ path: "a", app: "echo", failed: "the worker broke: out of memory" }]);
});
