// What the programs here share: a client of the protocol that the first argument names.
"use strict";

const { CommunicationProtocolEnum, DaprClient, LogLevel } = require("@dapr/dapr");

const grpc = process.argv[2] === "grpc";
const protocol = grpc ? CommunicationProtocolEnum.GRPC : CommunicationProtocolEnum.HTTP;
const options = {
  daprHost: "127.0.0.1",
  daprPort: grpc ? process.env.DAPR_GRPC_PORT : process.env.DAPR_HTTP_PORT,
  communicationProtocol: protocol,
  logger: { level: LogLevel.Error },
};

/** Runs the steps one after the other and prints their names; the first that fails is the end. */
async function steps(all) {
  const client = new DaprClient(options);
  const done = [];
  for (const [name, step] of Object.entries(all)) {
    try {
      await step(client);
    } catch (error) {
      console.error(`${name}:`, error);
      process.exit(1);
    }
    done.push(name);
  }
  await client.stop();
  console.log(done.join(" "));
}

module.exports = { grpc, options, protocol, steps };
