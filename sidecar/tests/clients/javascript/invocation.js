// Calls methods of an app through the published JavaScript client: the cases of its own end-to-end tests.
"use strict";

const assert = require("node:assert/strict");
const { HttpMethod } = require("@dapr/dapr");
const { grpc, steps } = require("./client");

const appIsGrpc = process.argv[3] === "grpc";

steps({
  async get(client) {
    const said = await client.invoker.invoke("app", "hello-get", HttpMethod.GET);
    assert.deepEqual(said, { hello: "get" });
  },
  async post(client) {
    const said = await client.invoker.invoke("app", "hello-post", HttpMethod.POST, { hello: "world" });
    assert.deepEqual(said, { heard: { hello: "world" } });
  },
  async headers(client) {
    // gRPC's client sends none, and gRPC's server tells its app of none.
    if (grpc || appIsGrpc) return;
    const headers = { "x-test": "yes" };
    const said = await client.invoker.invoke("app", "headers", HttpMethod.GET, undefined, { headers });
    assert.deepEqual(said, { test: "yes", caller: "app", callee: "app" });
  },
  async query(client) {
    if (grpc) return;
    const said = await client.invoker.invoke("app", "query?a=1&b=x%20y", HttpMethod.GET);
    assert.deepEqual(said, { url: appIsGrpc ? "a=1&b=x%20y" : "/query?a=1&b=x%20y" });
  },
  async failures(client) {
    await assert.rejects(client.invoker.invoke("nobody", "hello-get", HttpMethod.GET), /nobody/);
    const missing = client.invoker.invoke("app", "no-such-method", HttpMethod.GET);
    // gRPC's server answers nothing, and well, where there is no such method.
    if (appIsGrpc && !grpc) assert.equal(await missing, "");
    else await assert.rejects(missing, appIsGrpc ? /COULD_NOT_PARSE_RESULT/ : grpc ? /not_found/ : /"status":404/);
  },
});
