// To be required first: the addon writes records otherwise.
require('./other-layout.js')('rowLayout');
