// Calls xds:///TARGET as standard input says; see grpc_mesh.py for the lines.
'use strict';
const grpc = require('@grpc/grpc-js');
require('@grpc/grpc-js-xds').register();
const readline = require('readline');

const clients = new Map();
const same = (bytes) => bytes;

function call(client, method, pairs) {
  const metadata = new grpc.Metadata();
  for (const pair of pairs) metadata.add(...pair.split('='));
  return new Promise((resolve) => {
    const options = { deadline: Date.now() + 20000 };
    client.makeUnaryRequest('/test.Echo/' + method, same, same, Buffer.alloc(0), metadata, options,
      (error, value) => {
        if (error) console.error(error.details);
        resolve(error ? '!' + grpc.status[error.code] : value.toString());
      });
  });
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [target, method, count, ...pairs] = line.split(' ');
    if (!clients.has(target)) {
      clients.set(target, new grpc.Client('xds:///' + target, grpc.credentials.createInsecure()));
    }
    const seen = {};
    for (let i = 0; i < Number(count); i++) {
      const id = await call(clients.get(target), method, pairs);
      seen[id] = (seen[id] || 0) + 1;
    }
    console.log(Object.entries(seen).map(([id, n]) => id + '=' + n).join(' '));
  }
  process.exit(0);
}
main();
