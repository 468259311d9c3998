// How long `require('ipvs')` takes in this process, which has loaded nothing else: prints milliseconds.

'use strict';

const started = process.hrtime.bigint();
require('ipvs');
console.log(Number(process.hrtime.bigint() - started) / 1e6);
