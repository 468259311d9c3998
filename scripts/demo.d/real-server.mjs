// @ts-check
// A web server at the virtual address that answers with its own name.

import { createServer } from 'node:http';

const [, , vip, name] = process.argv;

createServer((_request, response) => {
  response.end(name);
}).listen(80, vip, () => process.send?.('ready'));
