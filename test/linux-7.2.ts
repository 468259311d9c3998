import { testOn } from './lab/guest.js';

testOn('7.2');
