// Plays transcripts: actors/transcripts/README.md says what a line means and what is hashed. Runs in Node and in a
// page.

const utf8 = new TextEncoder();
/** So much of some bytes is shown. */
const SHOWN = 80;

/**
 * Plays a transcript over an empty store. `open` gives a new instance of the app, whose `call` answers `{reply}`, or
 * `{error}` and whether the instance is `lost`: it trapped, and nobody knows what its memory holds.
 */
export async function play(transcript, store, open) {
  const observed = new Observed();
  let app = await open();
  for (const [at, line] of transcript.trimEnd().split("\n").entries()) {
    const step = JSON.parse(line);
    if ("store" in step) {
      store.put(step.store, bytes(step.value));
    } else if ("holds" in step) {
      observed.holds(step, store.get(step.holds));
    } else if ("reply" in step || "error" in step) {
      const answer = await app.call(step.call, bytes(step.request));
      observed.answer(step, answer);
      if (answer.lost) app = await open();
    } else {
      throw new Error(`line ${at + 1} of the transcript is no step`);
    }
  }
  return observed.outcome();
}

/** What was observed, as a hash and in the first difference from what the transcript says. */
class Observed {
  #hashed = [];
  #steps = 0;
  #difference = null;

  answer(step, { reply, error }) {
    const good = reply !== undefined;
    const got = reply ?? utf8.encode(error);
    const expected = "reply" in step ? bytes(step.reply) : utf8.encode(step.error);
    const right = good === "reply" in step && same(got, expected);
    const word = (isReply) => (isReply ? "a reply of" : "an error of");
    this.#add(good, got);
    this.#compare(
      right,
      () => `${step.call} of ${excerpt(bytes(step.request))}: ${word("reply" in step)} ${excerpt(expected)}`,
      () => `${word(good)} ${excerpt(got)}`,
    );
  }

  holds(step, found) {
    const expected = bytes(step.value);
    this.#add(found !== undefined, found ?? new Uint8Array());
    this.#compare(
      found !== undefined && same(found, expected),
      () => `the record ${step.holds}: ${excerpt(expected)}`,
      () => (found === undefined ? "nothing" : excerpt(found)),
    );
  }

  async outcome() {
    const hashed = await new Blob(this.#hashed).arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", hashed));
    const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return { sha256, steps: this.#steps, difference: this.#difference };
  }

  #add(good, value) {
    const head = new DataView(new ArrayBuffer(5));
    head.setUint8(0, good ? 1 : 0);
    head.setUint32(1, value.length, true);
    // A copy: what is handed in may be a view of a buffer that its owner fills anew.
    this.#hashed.push(head.buffer, value.slice());
  }

  #compare(right, expected, got) {
    this.#steps += 1;
    if (right || this.#difference !== null) return;
    this.#difference = `step ${this.#steps}, ${expected()} was expected, and got ${got()}`;
  }
}

/** Bytes as a transcript writes them. */
function bytes(form) {
  if (typeof form === "string") return utf8.encode(form);
  const { base64, repeat = "", times = 0 } = form;
  return Uint8Array.from(atob(base64) + repeat.repeat(times), (byte) => byte.charCodeAt(0));
}

function same(left, right) {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

/** The beginning of some bytes in ASCII, as Rust escapes it. */
function excerpt(value) {
  const short = { 9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 39: "\\'", 92: "\\\\" };
  const escaped = (byte) =>
    short[byte] ??
    (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`);
  const start = Array.from(value.subarray(0, SHOWN), escaped).join("");
  return `${value.length} bytes "${start}${value.length > SHOWN ? "…" : ""}"`;
}
