// Sets an item of the configuration in Redis, as whoever runs a system does.
"use strict";

const net = require("node:net");

/** Sets a key to a value of a version. */
function setItem(key, value, version) {
  const words = ["SET", key, `${value}||${version}`];
  const command = `*${words.length}\r\n` + words.map((word) => `$${word.length}\r\n${word}\r\n`).join("");
  return new Promise((resolve, reject) => {
    const connection = net.connect(Number(process.env.REDIS_PORT), "127.0.0.1", () => connection.write(command));
    connection.once("data", (answer) => {
      connection.destroy();
      String(answer) === "+OK\r\n" ? resolve() : reject(new Error(String(answer)));
    });
    connection.once("error", reject);
  });
}

module.exports = { setItem };
