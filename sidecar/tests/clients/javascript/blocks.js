// Uses secrets, configuration, bindings and locks through the published JavaScript client: the cases of its own
// end-to-end tests.
"use strict";

const assert = require("node:assert/strict");
const { LockStatus } = require("@dapr/dapr/types/lock/UnlockResponse");
const { grpc, steps } = require("./client");
const { setItem } = require("./items");

/** The data of a binding's answer: gRPC's client answers bytes beside metadata, HTTP's what it could parse. */
const data = (answer) => (grpc ? Buffer.from(answer.data).toString() : answer);
const parsed = (answer) => (grpc ? JSON.parse(data(answer)) : answer);

steps({
  async secrets(client) {
    assert.deepEqual(await client.secret.get("env", "TEST_SECRET_1"), { TEST_SECRET_1: "secret_val_1" });
    assert.deepEqual(await client.secret.get("secrets", "nested:inner"), { "nested:inner": "deep" });
    assert.deepEqual(await client.secret.getBulk("secrets"), {
      top: { top: "secret" },
      "nested:inner": { "nested:inner": "deep" },
    });
    await assert.rejects(client.secret.get("nowhere", "top"), /secret store with key nowhere/);
  },
  async configuration(client) {
    if (!grpc) {
      // The client has none over HTTP.
      await assert.rejects(client.configuration.get("configuration", ["limit"]));
      return;
    }
    await setItem("limit", "ten", 1);
    const { items } = await client.configuration.get("configuration", ["limit", "missing"]);
    assert.deepEqual(Object.keys(items), ["limit"]);
    assert.deepEqual([items.limit.value, items.limit.version], ["ten", "1"]);
    const told = [];
    const stream = await client.configuration.subscribeWithKeys("configuration", ["limit"], async (change) => {
      told.push(change.items.limit);
    });
    // The client does not tell when the stream is there.
    for (let version = 2; told.length === 0; version += 1) {
      await setItem("limit", `value ${version}`, version);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal(told[0].value, `value ${told[0].version}`);
    await stream.stop();
  },
  async bindings(client) {
    await client.binding.send("files", "create", "hello file", { fileName: "note.txt" });
    const found = await client.binding.send("files", "get", "", { fileName: "note.txt" });
    assert.match(data(found), /hello file/);
    const listed = parsed(await client.binding.send("files", "list", ""));
    assert.ok(listed.some((name) => name.endsWith("note.txt")), JSON.stringify(listed));
    await client.binding.send("files", "delete", "", { fileName: "note.txt" });
    const answer = await client.binding.send("web", "post", { n: 1 }, { path: "/orders" });
    const { method, path, body } = parsed(answer);
    assert.deepEqual([method, path, JSON.parse(body)], ["POST", "/base/orders", { n: 1 }]);
    if (grpc) assert.equal(answer.metadata.statusCode, "200");
    await assert.rejects(client.binding.send("nowhere", "create", "x"), /couldn't find output binding nowhere/);
  },
  async locks(client) {
    const lock = async (owner) => (await client.lock.lock("locks", "stock", owner, 1000)).success;
    const unlock = async (owner) => (await client.lock.unlock("locks", "stock", owner)).status;
    assert.equal(await lock("owner-1"), true);
    assert.equal(await lock("owner-2"), false);
    assert.equal(await unlock("owner-2"), LockStatus.LockBelongsToOthers);
    assert.equal(await unlock("owner-1"), LockStatus.Success);
    assert.equal(await unlock("owner-1"), LockStatus.LockDoesNotExist);
  },
});
