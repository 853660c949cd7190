// Publishes through the published JavaScript client: the cases of its own end-to-end tests.
"use strict";

const assert = require("node:assert/strict");
const { grpc, steps } = require("./client");

const cloudEvent = {
  specversion: "1.0",
  type: "com.foo.bar",
  source: "here",
  id: "my-id",
  datacontenttype: "application/json",
  data: { message: "cloud" },
};

steps({
  async publish(client) {
    assert.deepEqual(await client.pubsub.publish("pubsub", "plain", "Hello, world!"), {});
    assert.deepEqual(await client.pubsub.publish("pubsub", "plain", { message: "json" }), {});
    const contentType = "application/cloudevents+json";
    assert.deepEqual(await client.pubsub.publish("pubsub", "plain", cloudEvent, { contentType }), {});
    assert.deepEqual(await client.pubsub.publish("pubsub", "plain", cloudEvent), {});
  },
  async raw(client) {
    const metadata = { rawPayload: "true" };
    assert.deepEqual(await client.pubsub.publish("pubsub", "raw", { message: "raw" }, { metadata }), {});
  },
  async rules(client) {
    const publish = (data, type) =>
      client.pubsub.publish("pubsub", "ruled", data, { metadata: { "cloudevent.type": type } });
    await publish("first", "important");
    await publish("second", "other");
  },
  async answers(client) {
    for (const data of ["take", "retry", "drop"]) await client.pubsub.publish("pubsub", "answered", data);
  },
  async bulk(client) {
    const messages = ["one", { two: 2 }, { entryID: "three", event: "three", contentType: "text/plain" }];
    const topic = grpc ? "plain" : "bulk";
    assert.deepEqual(await client.pubsub.publishBulk("pubsub", topic, messages), { failedMessages: [] });
  },
  async failure(client) {
    const failed = await client.pubsub.publish("nowhere", "plain", "x").catch((error) => error);
    assert.match(String(failed.error), /pubsub nowhere is not found/);
    const { failedMessages } = await client.pubsub.publishBulk("nowhere", "plain", ["x", "y"]);
    assert.equal(failedMessages.length, 2);
  },
});
