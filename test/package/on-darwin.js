// To be required first: everything after it runs as if on macOS.

Object.defineProperty(process, 'platform', { value: 'darwin' });
