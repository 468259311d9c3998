// The addon says that one of its layouts looks otherwise, as one of another version.

const Module = require('node:module');

module.exports = (name) => {
  const load = Module._extensions['.node'];
  Module._extensions['.node'] = (module, file) => {
    load(module, file);
    const other = module.exports[name].map((byte) => (byte === 0 ? 0 : byte + 4));
    module.exports = { ...module.exports, [name]: other };
  };
};
