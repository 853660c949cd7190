// Uses the state and metadata APIs through the published JavaScript client: the cases of its own end-to-end tests.
"use strict";

const assert = require("node:assert/strict");
const { StateConcurrencyEnum, StateConsistencyEnum } = require("@dapr/dapr");
const { grpc, steps } = require("./client");

const store = "store";
const strict = {
  concurrency: StateConcurrencyEnum.CONCURRENCY_FIRST_WRITE,
  consistency: StateConsistencyEnum.CONSISTENCY_STRONG,
};

/** What a save or delete said of its failure: HTTP's client answers it, gRPC's throws it. */
async function failure(asked) {
  try {
    return String((await asked).error ?? "none");
  } catch (error) {
    return String(error);
  }
}

/** Each key's item of a bulk get: its etag is told by nothing else. */
async function items(client, ...keys) {
  const all = await client.state.getBulk(store, keys);
  return Object.fromEntries(all.map((item) => [item.key, item]));
}

steps({
  async save(client) {
    assert.deepEqual(
      await client.state.save(store, [
        { key: "key-1", value: "value-1" },
        { key: "key-2", value: "value-2" },
        { key: "key-3", value: { nested: ["value-3"] } },
      ]),
      {},
    );
  },
  async read(client) {
    assert.equal(await client.state.get(store, "key-1"), "value-1");
    assert.deepEqual(await client.state.get(store, "key-3"), { nested: ["value-3"] });
    assert.equal(await client.state.get(store, "nothing"), "");
  },
  async bulk(client) {
    const found = await items(client, "key-3", "key-2", "nothing");
    assert.deepEqual(found["key-3"].data, { nested: ["value-3"] });
    assert.equal(found["key-2"].data, "value-2");
    // A key that is not there has no data over HTTP, and empty data over gRPC.
    assert.equal(found["nothing"].data ?? "", "");
    assert.ok(found["key-2"].etag);
  },
  async delete(client) {
    await client.state.delete(store, "key-1");
    assert.equal(await client.state.get(store, "key-1"), "");
  },
  async transaction(client) {
    await client.state.transaction(store, [
      { operation: "upsert", request: { key: "key-1", value: "my-new-data-1" } },
      { operation: "delete", request: { key: "key-3" } },
    ]);
    assert.equal(await client.state.get(store, "key-1"), "my-new-data-1");
    assert.equal(await client.state.get(store, "key-3"), "");
    await client.state.transaction(
      store,
      [{ operation: "upsert", request: { key: "key-with-metadata", value: "x" } }],
      { contentType: "application/json" },
    );
  },
  async etag(client) {
    const { etag } = (await items(client, "key-2"))["key-2"];
    const save = (value, etag) => client.state.save(store, [{ key: "key-2", value, etag, options: strict }]);
    assert.equal(await failure(save("mine", etag)), "none");
    assert.match(await failure(save("too late", etag)), grpc ? /etag mismatch/ : /"status":409/);
    assert.equal(await client.state.get(store, "key-2"), "mine");
    assert.match(await failure(client.state.delete(store, "key-2", { etag, ...strict })), /etag mismatch/);
    const now = (await items(client, "key-2"))["key-2"].etag;
    assert.equal(await failure(client.state.delete(store, "key-2", { etag: now, ...strict })), "none");
    assert.equal(await client.state.get(store, "key-2"), "");
  },
  async ttl(client) {
    const metadata = { ttlInSeconds: "1" };
    await client.state.save(store, [{ key: "short", value: "x", metadata }]);
    await client.state.save(store, [{ key: "short-by-query", value: "x" }], { metadata });
    for (const key of ["short", "short-by-query"]) {
      while ((await client.state.get(store, key)) !== "");
    }
    const wrong = { ttlInSeconds: "soon" };
    assert.match(await failure(client.state.save(store, [{ key: "k", value: "x", metadata: wrong }])), /ttlInSeconds/);
  },
  async metadata(client) {
    assert.equal(await client.metadata.set("by", "javascript"), true);
    const metadata = await client.metadata.get();
    assert.equal(metadata.id, "app");
    assert.equal(metadata.extended.by, "javascript");
    assert.ok(metadata.extended.daprRuntimeVersion);
    const found = metadata.components.find(({ name }) => name === store);
    assert.deepEqual([found.type, found.version], ["state.in-memory", "v1"]);
    assert.ok(found.capabilities.includes("ETAG"));
    assert.equal(await client.health.isHealthy(), true);
  },
});
