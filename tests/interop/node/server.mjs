// @tus/server behind mutual TLS: node server.mjs PORT DIR CERT KEY CA. Prints "ready" when it listens.
import { createServer } from "node:https";
import { readFileSync } from "node:fs";
import { FileStore } from "@tus/file-store";
import { Server } from "@tus/server";

const [port, directory, cert, key, ca] = process.argv.slice(2);
const tus = new Server({ path: "/uploads", datastore: new FileStore({ directory }) });
const options = {
  cert: readFileSync(cert),
  key: readFileSync(key),
  ca: readFileSync(ca),
  requestCert: true,
  rejectUnauthorized: true,
};
createServer(options, (request, response) => tus.handle(request, response)).listen(Number(port), "127.0.0.1", () => {
  console.log("ready");
});
