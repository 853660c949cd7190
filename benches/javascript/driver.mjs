// Goes through the modules and apps of a request, each in a worker of its own. Runs in Node and in a page.

/** A module that has not played an app's transcript after so long, in ms, has failed. */
export const LIMIT = 60_000;
/** `fault.loop` is taken for a loop after so long, in ms, and is stopped. */
const LOOPING = 1_000;

/**
 * `read` gets a module's bytes and a transcript's text; `start(task, told, broken)` starts a worker and gives what
 * stops it, which is done when the worker's code runs no more; `tell` takes each line of the answer.
 */
export async function drive(request, read, start, tell, limit = LIMIT) {
  const ask = (kind, path, app) => one({ kind, path, app, read, start, limit });
  for (const { path, apps } of request.modules) {
    for (const app of apps) {
      await tell({ path, app, ...(await ask("play", path, app)) });
    }
    if (request.faults) {
      const trap = await ask("trap", path, apps[0]);
      const loop = trap.failed ? {} : await ask("loop", path, apps[0]);
      const { failed, ...outcome } = { ...trap, ...loop };
      await tell({ path, app: "faults", ...(failed === undefined ? { outcome } : { failed }) });
    }
  }
}

/** One task on one worker, and what came of it. */
async function one({ kind, path, app, read, start, limit }) {
  let task;
  try {
    task = { kind, module: await read.module(path), transcript: await read.transcript(app) };
  } catch (error) {
    return { failed: String(error.message) };
  }
  return new Promise((resolve, reject) => {
    let answered = false;
    const done = (answer) => {
      // A worker that is stopped tells of its end too.
      if (answered) return;
      answered = true;
      clearTimeout(timer);
      stop().then(() => resolve(answer), reject);
    };
    const late = () => done({ failed: `no answer within ${limit / 1_000} s` });
    const told = (message) => {
      if (!message.calling) return done(message);
      clearTimeout(timer);
      timer = setTimeout(() => done({ loop: "stopped" }), LOOPING);
    };
    let timer = setTimeout(late, limit);
    const stop = start(task, told, (error) => done({ failed: `the worker broke: ${error}` }));
  });
}
