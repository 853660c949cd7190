// The page's side of a worker. Not a module, since the published host's bundle for browsers is a script.
"use strict";

importScripts("/packages/@wapc/host/dist/index.bundle.js");

onmessage = async ({ data: { task, lock } }) => {
  // Held until the worker ends.
  await new Promise((held) => navigator.locks.request(lock, () => new Promise(() => held())));
  const [{ answer }, { encode, decode }, { ConsoleStdout, File, OpenFile, WASI }] = await Promise.all([
    import("/guest.mjs"),
    import("/packages/@msgpack/msgpack/dist.esm/index.mjs"),
    import("/packages/@bjorn3/browser_wasi_shim/dist/index.js"),
  ]);
  // No file, no environment, an empty input, and what the guest prints goes to the console.
  const wasi = () => {
    const output = ConsoleStdout.lineBuffered((line) => console.error(line));
    return new WASI([], [], [new OpenFile(new File([])), output, output], { debug: false });
  };
  const tools = { WapcHost: waPC.WapcHost, encode, decode, wasi };
  postMessage(await answer(task, tools, () => postMessage({ calling: true })));
};
