// A guest on the published waPC host, in a worker of its own in Node or in a page. What differs between the two is
// handed in: the class WapcHost, MessagePack's functions, and what makes a WASI.

import { Store } from "./store.mjs";
import { play } from "./transcript.mjs";

const NOTHING = new Uint8Array();

/** Answers the one task of a worker; `calling` is told right before a call that is not expected to return. */
export async function answer(task, tools, calling) {
  try {
    const { module, transcript } = task;
    switch (task.kind) {
      case "play":
        return await played(module, transcript, tools);
      case "trap":
        return await trapped(module, transcript, tools);
      case "loop":
        return await looped(module, tools, calling);
    }
  } catch (error) {
    // Not only errors: node:wasi throws a symbol where a guest exits.
    return { failed: String(error) };
  }
}

function played(module, transcript, tools) {
  const store = new Store(tools);
  return play(transcript, store, () => open(module, store, tools));
}

async function trapped(module, transcript, tools) {
  const app = await open(module, new Store(tools), tools);
  const { error, lost } = await app.call("fault.trap", NOTHING);
  const trap = lost ? error : `no trap, but ${error === undefined ? "a reply" : `the error ${error}`}`;
  const { difference } = await played(module, transcript, tools);
  return { trap, "after-trap": difference ?? "served" };
}

async function looped(module, tools, calling) {
  const app = await open(module, new Store(tools), tools);
  calling();
  const { error } = await app.call("fault.loop", NOTHING);
  return { loop: error === undefined ? "it replied" : `it failed: ${error}` };
}

/** A new instance of a module over a store. */
async function open(module, store, tools) {
  const imports = WebAssembly.Module.imports(await WebAssembly.compile(module));
  const wasi = imports.some((wanted) => wanted.module === "wasi_snapshot_preview1") ? tools.wasi() : undefined;
  const Host = wasi ? withWasi(tools.WapcHost, wasi) : tools.WapcHost;
  const host = await new Host((...call) => store.call(...call)).instantiate(module);
  return {
    async call(operation, request) {
      try {
        return { reply: await host.invoke(operation, request) };
      } catch (error) {
        // The host throws a plain Error with the guest's text and no words of its own. Others are the engine's: a
        // RuntimeError for a trap, a RangeError for an address beyond the memory.
        return error?.constructor === Error ? { error: error.message } : { error: String(error), lost: true };
      }
    },
  };
}

/**
 * The published host links three functions of WASI. A module that imports WASI gets a whole one instead; all that is
 * waPC's stays the host's.
 */
function withWasi(WapcHost, wasi) {
  return class extends WapcHost {
    getImports() {
      return { ...super.getImports(), wasi_snapshot_preview1: wasi.wasiImport };
    }

    initialize(instance) {
      // The memory alone: it is the host that calls `_start`, once.
      wasi.initialize({ exports: { memory: instance.exports.memory } });
      super.initialize(instance);
    }
  };
}
