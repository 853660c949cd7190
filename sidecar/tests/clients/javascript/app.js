// An app that subscribes, and is called, by Dapr's own server for JavaScript. It tells each event as a line of JSON.
"use strict";

const { DaprPubSubStatusEnum, DaprServer, HttpMethod } = require("@dapr/dapr");
const { grpc, options, protocol } = require("./client");

const server = new DaprServer({
  serverHost: "127.0.0.1",
  serverPort: process.env.APP_PORT,
  communicationProtocol: protocol,
  clientOptions: options,
  logger: options.logger,
});
const tell = (topic) => async (data) => console.log(JSON.stringify({ topic, data }));
let retries = 0;

async function start() {
  await server.pubsub.subscribe("pubsub", "plain", tell("plain"));
  await server.pubsub.subscribe("pubsub", "raw", tell("raw"), undefined, { rawPayload: true });
  await server.pubsub.subscribeWithOptions("pubsub", "ruled", {
    route: {
      default: "by-default",
      rules: [{ match: `event.type == "important"`, path: "by-rule" }],
    },
  });
  server.pubsub.subscribeToRoute("pubsub", "ruled", "by-default", tell("by default"));
  server.pubsub.subscribeToRoute("pubsub", "ruled", "by-rule", tell("by rule"));
  await server.pubsub.subscribeWithOptions("pubsub", "answered", {
    deadLetterTopic: "dead",
    callback: async (data) => {
      await tell("answered")(data);
      if (data === "drop") return DaprPubSubStatusEnum.DROP;
      return DaprPubSubStatusEnum.SUCCESS;
    },
  });
  await server.pubsub.subscribe("pubsub", "dead", tell("dead"));
  await server.pubsub.subscribe("pubsub", "retried", async (data) => {
    await tell("retried")(data);
    return (retries += 1) < 3 ? DaprPubSubStatusEnum.RETRY : DaprPubSubStatusEnum.SUCCESS;
  });
  if (!grpc) {
    const bulk = { maxMessagesCount: 10, maxAwaitDurationMs: 50 };
    await server.pubsub.subscribeBulk("pubsub", "bulk", tell("bulk"), bulk);
  }
  await server.binding.receive("tick", async (data) => console.log(JSON.stringify({ binding: "tick", data })));
  await server.invoker.listen("hello-get", async () => ({ hello: "get" }), { method: HttpMethod.GET });
  const post = async ({ body }) => ({ heard: JSON.parse(body) });
  await server.invoker.listen("hello-post", post, { method: HttpMethod.POST });
  const headers = async ({ headers }) => ({
    test: headers["x-test"],
    caller: headers["dapr-caller-app-id"],
    callee: headers["dapr-callee-app-id"],
  });
  await server.invoker.listen("headers", headers, { method: HttpMethod.GET });
  await server.invoker.listen("query", async ({ query }) => ({ url: query }), { method: HttpMethod.GET });
  await server.start();
}

start().catch((error) => {
  console.error(error);
  process.exit(1);
});
