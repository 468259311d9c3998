// To be required first: the addon reads requests otherwise.
require('./other-layout.js')('requestLayout');
