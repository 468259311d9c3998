// Makes one call, and tells what came of it and which addons are loaded.

const { listServices } = require('ipvs');

async function main() {
  const error = await listServices().then(
    () => ({}),
    ({ name, code, message, hint }) => ({ name, code, message, hint }),
  );
  const addons = process.report.getReport().sharedObjects.filter((file) => file.endsWith('.node'));
  console.log(JSON.stringify({ ...error, addons }));
}

void main();
