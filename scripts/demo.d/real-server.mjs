// @ts-check
// A web server at the address that clients are sent to, which answers with its own name.

import { createServer } from 'node:http';

const [, , address, name] = process.argv;

createServer((_request, response) => {
  response.end(name);
}).listen(80, address, () => process.send?.('ready'));
