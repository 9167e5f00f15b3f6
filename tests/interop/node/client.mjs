// tus-js-client: node client.mjs ENDPOINT FILE TLS_DIR METADATA(JSON). Prints the upload's URL when all bytes are there.
import { createReadStream, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DefaultHttpStack, Upload } from "tus-js-client";

const [endpoint, file, tls, metadata] = process.argv.slice(2);
const read = (name) => readFileSync(join(tls, name));
const upload = new Upload(createReadStream(file), {
  endpoint,
  metadata: JSON.parse(metadata),
  uploadSize: statSync(file).size,
  chunkSize: 4 * 1024 * 1024,
  retryDelays: Array(60).fill(100),
  httpStack: new DefaultHttpStack({ cert: read("client-cert.pem"), key: read("client-key.pem"), ca: read("ca.pem") }),
  onError: (error) => {
    console.error(String(error));
    process.exit(1);
  },
  onSuccess: () => {
    console.log(upload.url);
    process.exit(0);
  },
});
upload.start();
