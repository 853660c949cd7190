// The capability that the apps call: `wascc:keyvalue` with Get, Set and Add, over a store in memory.
// It runs in Node and in a page, so MessagePack's functions are handed in.

/** Both keep a byte order mark, which is part of a value like any other character. */
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const utf8 = new TextEncoder();

/** What a guest is told. The host says `'' + thrown` to it, which for a plain Error would begin with "Error: ". */
class StoreError extends Error {
  toString() {
    return this.message;
  }
}

export class Store {
  #records = new Map();
  #encode;
  #decode;

  constructor({ encode, decode }) {
    this.#encode = (message) => encode(message, { useBigInt64: true });
    // Texts as bytes: a value may be written as text or as binary, and either way is bytes.
    this.#decode = (bytes) => decode(bytes, { useBigInt64: true, rawStrings: true });
  }

  get(key) {
    return this.#records.get(key);
  }

  put(key, value) {
    this.#records.set(key, value);
  }

  /** A guest's call. AssemblyScript's actors say "" for the binding "default". */
  call(binding, namespace, operation, payload) {
    if (namespace !== "wascc:keyvalue" || !["default", ""].includes(binding)) {
      throw new StoreError(`there is no ${namespace} under the binding ${binding}`);
    }
    const request = this.#decode(payload);
    const key = strict.decode(request.key);
    switch (operation) {
      case "Get": {
        const value = this.get(key);
        return this.#encode({ value: asMessage(value ?? new Uint8Array()), exists: value !== undefined });
      }
      case "Set":
        // Nothing here goes away with time, so who asks for that is not to be told that it was done.
        if (request.expires !== 0) throw new StoreError(`this store keeps no time, and key ${key} is to expire`);
        this.put(key, request.value);
        return this.#encode({ value: asMessage(request.value) });
      case "Add":
        return this.#encode({ value: asNumber(this.#add(key, BigInt(request.value))) });
      default:
        throw new StoreError(`wascc:keyvalue has no operation ${operation}`);
    }
  }

  #add(key, delta) {
    const old = this.get(key);
    const number = old === undefined ? 0n : integer(old);
    if (number === undefined) throw new StoreError(`the value of key ${key} is not an integer of 64 bits`);
    const sum = number + delta;
    if (!fits(sum)) throw new StoreError(`adding to key ${key} would leave the range of an integer of 64 bits`);
    this.put(key, utf8.encode(String(sum)));
    return sum;
  }
}

/** A value as our host writes it: a text where its bytes are UTF-8, binary otherwise. */
function asMessage(value) {
  return text(value) ?? value;
}

/** The encoder takes numbers of up to 32 bits for integers and others for floats, but a BigInt always for 64 bits. */
function asNumber(value) {
  return value >= -(2n ** 31n) && value < 2n ** 32n ? Number(value) : value;
}

/** The integer that a value spells in the one way that counters do: no plus, no leading zero. */
function integer(value) {
  const spelled = text(value);
  if (spelled === undefined || !/^(0|-?[1-9][0-9]*)$/.test(spelled)) return undefined;
  const number = BigInt(spelled);
  return fits(number) ? number : undefined;
}

function fits(number) {
  return BigInt.asIntN(64, number) === number;
}

function text(value) {
  try {
    return strict.decode(value);
  } catch {
    return undefined;
  }
}
