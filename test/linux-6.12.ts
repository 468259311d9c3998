import { testOn } from './lab/guest.js';

testOn('6.12');
